//! Effect of hostile guests on other calls: latency of a light tool beside guests that spin, and memory growth after
//! ten thousand hostile calls.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::header;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::process::Process;
use super::process::resident_mb;
use super::support::guest::{Guest, Tool};

/// Numbers of concurrent calls that spin.
const SPINNING_CALLS: [usize; 4] = [0, 2, 16, 256];
const ROUND: Duration = Duration::from_secs(5);
/// Time until all spinning calls are on the guest runtime, or have been stopped.
const SETTLE: Duration = Duration::from_secs(2);
/// Time before the final memory measurement. The allocator returns free memory within half of it.
const SETTLE_MEMORY: Duration = Duration::from_secs(20);
const HOSTILE_CALLS: usize = 10_000;
const CONCURRENCY: usize = 16;

const LIGHT_TOOL: &str = "hello";
const HEALTH_PATH: &str = "/healthz";
/// Hostile tools like those in `tests/hostile/`.
const HOSTILE_TOOLS: [&str; 8] = [
    "traps", "recurses", "takes", "leaks", "logs", "returns", "spins", "exits",
];

pub(super) async fn measure(dir: &Path) {
    measure_latency(dir).await;
    measure_memory(dir).await;
}

/// Measures the light tool and `/healthz` while other calls spin.
async fn measure_latency(dir: &Path) {
    let spins = Guest::with(Tool::new("spin"), "(call $spin)");
    let server = serve(
        dir,
        &[
            ("light", &Guest::saying(LIGHT_TOOL, LIGHT_TOOL)),
            ("spins", &spins),
        ],
        "[server]\nmax-concurrent-calls = 300\n[limits]\nconcurrency = 256\ntime = \"1h\"\ncpu = \"1h\"\n",
    );
    println!(
        "\na light tool and /healthz beside guests that spin, {ROUND:?} each; ratios to alone"
    );
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>9} {:>11} {:>11}",
        "spinning", "p50 ms", "p99 ms", "p50", "p99", "health p50", "health p99"
    );
    let mut alone = None;
    for spinning in SPINNING_CALLS {
        let calls: Vec<_> = (0..spinning)
            .map(|_| tokio::spawn(call(server.address, "spin")))
            .collect();
        tokio::time::sleep(SETTLE).await;
        let (p50, p99) = latencies(server.address, LIGHT_TOOL).await;
        let (health50, health99) = latencies(server.address, HEALTH_PATH).await;
        let (alone50, alone99) = *alone.get_or_insert((p50, p99));
        println!(
            "{spinning:<10} {p50:>9.3} {p99:>9.3} {:>9.1} {:>9.1} {health50:>11.3} {health99:>11.3}",
            p50 / alone50,
            p99 / alone99
        );
        for call in calls {
            assert!(!call.is_finished(), "the call still spins");
            call.abort();
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// Measures resident memory before, during and after hostile calls.
async fn measure_memory(dir: &Path) {
    let server = serve(
        dir,
        &[
            ("light", &Guest::saying(LIGHT_TOOL, LIGHT_TOOL)),
            ("hostile", &hostile_guest()),
        ],
        "[server]\nmax-concurrent-calls = 32\n[limits]\nmemory = \"16MiB\"\ncpu = \"20ms\"\noutput = \"100kB\"\n",
    );
    latencies(server.address, LIGHT_TOOL).await;
    let before = resident_mb(server.id());
    let mut after = Vec::new();
    for part in 0..4 {
        let workers: Vec<_> = (0..CONCURRENCY)
            .map(|worker| {
                let address = server.address;
                tokio::spawn(async move {
                    for n in 0..HOSTILE_CALLS / 4 / CONCURRENCY {
                        let tool = HOSTILE_TOOLS[(part + worker + n) % HOSTILE_TOOLS.len()];
                        call(address, tool).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        after.push(format!("{:.1}", resident_mb(server.id())));
    }
    tokio::time::sleep(SETTLE_MEMORY).await;
    println!(
        "\nresident memory: {before:.1} MB before {HOSTILE_CALLS} hostile calls, {} after each quarter of them, {:.1} at rest",
        after.join(", "),
        resident_mb(server.id())
    );
}

fn hostile_guest() -> Guest {
    let mut guest = Guest::new();
    let line = guest.string("a line of the guest");
    let long = guest.string("y".repeat(200_000));
    guest
        .import(r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#)
        .import(r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))"#)
        .item("(func $deeper (param i64) (result i64) (i64.add (local.get 0) (call $deeper (local.get 0))))");
    let bodies = [
        "(unreachable)".to_owned(),
        "(call $say_number (call $deeper (i64.const 0))) (call $said)".into(),
        "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
           (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
           (br $again)) (unreachable)".into(),
        "(loop $again (drop (call $timer (i64.const 3600000000000))) (br $again)) (unreachable)".into(),
        format!("(loop $again (call $log (i32.const 1) {line}) (br $again)) (unreachable)"),
        format!("(call $text {long})"),
        "(call $spin)".into(),
        "(call $exit (i32.const 1)) (unreachable)".into(),
    ];
    for (name, body) in HOSTILE_TOOLS.iter().zip(bodies) {
        guest.tool(Tool::new(name), body);
    }
    guest
}

fn serve(dir: &Path, guests: &[(&str, &Guest)], text: &str) -> Process {
    let mut components = Vec::new();
    for (name, guest) in guests {
        std::fs::write(dir.join(format!("{name}.wasm")), guest.component()).unwrap();
        components.push(format!("{name}.wasm"));
    }
    let config = dir.join("hostile.toml");
    std::fs::write(&config, format!("components = {components:?}\n{text}")).unwrap();
    Process::serve([
        "--no-auth",
        "--no-watch",
        "--config",
        config.to_str().unwrap(),
    ])
}

/// Calls a tool on a new connection.
async fn call(address: SocketAddr, tool: &str) {
    let mut sender = connect(address).await;
    send(&mut sender, address, tool).await;
}

/// Sends sequential requests on one connection. Returns the median and the 99th percentile of their latency in
/// milliseconds.
async fn latencies(address: SocketAddr, target: &str) -> (f64, f64) {
    let mut sender = connect(address).await;
    let until = Instant::now() + ROUND;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        send(&mut sender, address, target).await;
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    (
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
    )
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Requests `target` if it is a path, else calls the tool of that name.
async fn send(sender: &mut SendRequest<Full<Bytes>>, address: SocketAddr, target: &str) {
    let request = if target.starts_with('/') {
        Request::get(target)
            .header(header::HOST, address.to_string())
            .body(Full::default())
    } else {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{target}","arguments":{{}}}}}}"#
        );
        Request::post("/mcp")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(Full::new(Bytes::from(body)))
    };
    sender.ready().await.unwrap();
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200, "{target}");
    response.into_body().collect().await.unwrap();
}
