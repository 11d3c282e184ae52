//! `make bench`: throughput and latency of calls, relative to a plain axum handler that returns the same bytes.
//!
//! Server and load generator share the machine, so absolute numbers vary; quote the ratios, which are computed round by
//! round. The server is the real binary in a separate process, and so is the plain handler (this program with
//! `--plain`). `cargo bench … -- --hostile` runs only the measurements with hostile guests.

#![allow(clippy::unwrap_used)] // A benchmark fails by panicking.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header;
use axum::routing::post;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jsonwebtoken::Algorithm;
use toolcrib::auth::{Guard, GuardConfig, KeySource};

#[path = "bench_hostile.rs"]
mod hostile;
#[path = "support/issuer.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod issuer;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod process;

mod support {
    #[allow(dead_code, unused_imports, reason = "the tests use the rest")]
    pub(crate) mod guest;
}

use issuer::{AUDIENCE, Issuer, SigningKey, now_seconds};
use process::{Process, processor_time, resident_mb};
use support::guest::{Guest, Tool};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Tokens verified per algorithm.
const VERIFIED_TOKENS: usize = 2_000;
/// Distinct tokens verified to measure the memory of the token cache.
const CACHED_TOKENS: usize = 100_000;
const WARM_UP: Duration = Duration::from_millis(500);
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#;
/// Response of the echo example and of the plain handler.
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}],"structuredContent":{"text":"hello"},"isError":false}}"#;

/// Response of the echo guests built from WebAssembly text.
const TEXT_ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"text\":\"hello\"}"}],"structuredContent":{"text":"hello"},"isError":false}}"#;

#[tokio::main]
async fn main() {
    let has_flag = |flag: &str| std::env::args().any(|argument| argument == flag);
    if has_flag("--plain") {
        return serve_plain().await;
    }
    if has_flag("--hostile") {
        let dir = tempfile::tempdir().unwrap();
        return hostile::measure(dir.path()).await;
    }
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");
    let echo = &format!("{examples}/echo.wasm");
    assert!(
        Path::new(echo).exists(),
        "build the examples first: make examples"
    );

    let issuer = Issuer::start().await;
    issuer.set_keys([SigningKey::rsa("rsa", 0)]);
    let token = issuer.token(|claims| claims["exp"] = (now_seconds() + 3600).into());
    let dir = tempfile::tempdir().unwrap();
    let guarded = dir.path().join("guarded.toml");
    let config = format!(
        "server.public-url = \"https://tools.example\"\n[auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n\
         jwks-uri = {:?}\n",
        issuer.url(),
        issuer.jwks_uri()
    );
    std::fs::write(&guarded, config).unwrap();

    let servers = [
        Server::plain(),
        Server::toolcrib("toolcrib, no guard", &[echo, "--no-auth"]),
        Server::toolcrib(
            "toolcrib, guard (RS256)",
            &[echo, "--config", guarded.to_str().unwrap()],
        ),
    ];
    println!("calls of an echo tool (Rust): medians of {ROUNDS} rounds of {ROUND:?}");
    compare(&servers, &token, "of axum").await;
    drop(servers);

    let (tool, function) = echo_components(dir.path());
    let servers = [
        Server::toolcrib("tool component", &[&tool, "--no-auth"]).answering(TEXT_ANSWER),
        Server::toolcrib("function component", &[&function, "--no-auth"]).answering(TEXT_ANSWER),
    ];
    println!("\nthe same echo as a tool and as a plain function (WebAssembly text)");
    compare(&servers, &token, "of tool").await;
    drop(servers);

    println!("\nresident memory, idle, and start to ready with a warm cache: medians of {ROUNDS}");
    for (name, reference) in [("one component", echo.as_str()), ("all examples", examples)] {
        let started: Vec<_> = (0..ROUNDS)
            .map(|_| Server::toolcrib(name, &[reference, "--no-auth"]))
            .map(|server| (server.resident_mb_at_start, server.process.ready))
            .collect();
        let memory = median(started.iter().map(|(mb, _)| *mb));
        let ready = median(started.iter().map(|(_, ready)| ready.as_secs_f64() * 1e3));
        println!("{name:<24} {memory:>6.1} MB {ready:>6.0} ms");
    }
    measure_guard().await;
    hostile::measure(dir.path()).await;
}

/// Measures token verification without HTTP, for new and for cached tokens, and the memory of the token cache.
async fn measure_guard() {
    println!("\nthe guard by itself: microseconds of processor time for one token");
    println!("{:<24} {:>8} {:>12}", "algorithm", "new", "cached");
    let issuer = Issuer::start().await;
    for key in [
        SigningKey::rsa("key", 0),
        SigningKey::rsa("key", 0).with(Algorithm::PS256),
        SigningKey::p256("key"),
        SigningKey::p384("key"),
        SigningKey::ed25519("key"),
    ] {
        let guard = guard(&issuer, &key);
        let tokens: Vec<_> = (0..VERIFIED_TOKENS)
            .map(|n| nth_token(&issuer, &key, n))
            .collect();
        let new = verify(&guard, tokens.iter()).await;
        let last = &tokens[VERIFIED_TOKENS - 1];
        let cached = verify(&guard, std::iter::repeat_n(last, VERIFIED_TOKENS)).await;
        println!(
            "{:<24} {new:>8.1} {cached:>12.2}",
            format!("{:?}", key.algorithm)
        );
    }

    let key = SigningKey::ed25519("key");
    let guard = guard(&issuer, &key);
    let resident_mb = || resident_mb(std::process::id());
    verify(&guard, [nth_token(&issuer, &key, 0)].iter()).await;
    let before = resident_mb();
    for n in 0..CACHED_TOKENS {
        let token = nth_token(&issuer, &key, n);
        guard.verify(&token).await.unwrap();
    }
    let growth = resident_mb() - before;
    println!("memory growth after {CACHED_TOKENS} distinct tokens: {growth:.1} MB");
}

fn guard(issuer: &Issuer, key: &SigningKey) -> Guard {
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::PublicKey(key.public_pem.clone());
    Guard::build(settings).unwrap()
}

fn nth_token(issuer: &Issuer, key: &SigningKey, n: usize) -> String {
    key.token(&issuer.claims(|claims| claims["jti"] = n.into()))
}

/// Returns the mean time of a verification in microseconds.
async fn verify(guard: &Guard, tokens: impl ExactSizeIterator<Item = &String>) -> f64 {
    let count = tokens.len() as f64;
    let started = Instant::now();
    for token in tokens {
        guard.verify(token).await.unwrap();
    }
    started.elapsed().as_secs_f64() * 1e6 / count
}

/// Writes a minimal echo component as a tool of the contract and one as a plain function. Returns their paths.
fn echo_components(dir: &Path) -> (String, String) {
    let schema = r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}"#;
    let tool = Guest::with(
        Tool::new("echo").taking(schema).giving(schema),
        "(call $structured (local.get $arguments) (local.get $arguments_len))",
    );
    let mut function = Guest::new();
    function
        .export("record reply { text: string } export echo: func(text: string) -> reply;")
        .item(
            r#"(func (export "echo") (param i32 i32) (result i32)
              (i32.store (i32.const 16) (local.get 0))
              (i32.store (i32.const 20) (local.get 1))
              (i32.const 16))"#,
        );
    let write = |name: &str, guest: &Guest| {
        let path = dir.join(name);
        std::fs::write(&path, guest.component()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    (write("tool.wasm", &tool), write("function.wasm", &function))
}

/// Measures the servers in turn and prints the results, with the throughput relative to the first server.
async fn compare(servers: &[Server], token: &str, ratio_header: &str) {
    println!(
        "{:<24} {:>5} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "server", "conns", "calls/s", "p50 ms", "p99 ms", "cpu us", ratio_header
    );
    for connections in [1, 16] {
        let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
        for server in servers {
            load(server, connections, token, WARM_UP).await;
        }
        for _ in 0..ROUNDS {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                rounds.push(load(server, connections, token, ROUND).await);
            }
        }
        for (server, measured) in servers.iter().zip(&rounds) {
            let median_of = |field: fn(&Round) -> f64| median(measured.iter().map(field));
            let ratios = measured
                .iter()
                .zip(&rounds[0])
                .map(|(ours, first)| ours.per_second / first.per_second);
            println!(
                "{:<24} {:>5} {:>9.0} {:>8.3} {:>8.3} {:>8.1} {:>8.2}",
                server.name,
                connections,
                median_of(|r| r.per_second),
                median_of(|r| r.p50_ms),
                median_of(|r| r.p99_ms),
                median_of(|r| r.cpu_us),
                median(ratios),
            );
        }
    }
}

/// The measurements of one round.
struct Round {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU time of the server per request.
    cpu_us: f64,
}

/// Sends calls on several connections for `duration`.
async fn load(server: &Server, connections: usize, token: &str, duration: Duration) -> Round {
    let cpu_before = processor_time(server.process.id());
    let started = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            tokio::spawn(send_calls(
                server.process.address,
                server.answer,
                token.to_owned(),
                started + duration,
            ))
        })
        .collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await.unwrap());
    }
    let elapsed = started.elapsed();
    latencies.sort();
    let percentile = |fraction: f64| {
        let index = ((latencies.len() - 1) as f64 * fraction) as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    Round {
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: percentile(0.50),
        p99_ms: percentile(0.99),
        cpu_us: (processor_time(server.process.id()) - cpu_before).as_secs_f64() * 1e6
            / latencies.len() as f64,
    }
}

/// Sends calls one after the other on one keep-alive connection. Returns their latencies.
async fn send_calls(
    address: SocketAddr,
    answer: &'static str,
    token: String,
    until: Instant,
) -> Vec<Duration> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let request = Request::post("/mcp")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(Bytes::from_static(CALL.as_bytes())))
            .unwrap();
        let started = Instant::now();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        latencies.push(started.elapsed());
        assert_eq!(body, answer, "response of the server");
    }
    latencies
}

/// A server under measurement.
struct Server {
    name: &'static str,
    answer: &'static str,
    process: Process,
    resident_mb_at_start: f64,
}

impl Server {
    fn plain() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--plain");
        Self::of("plain axum handler", Process::start(command))
    }

    fn toolcrib(name: &'static str, arguments: &[&str]) -> Self {
        Self::of(name, Process::serve(arguments.iter().copied()))
    }

    fn of(name: &'static str, process: Process) -> Self {
        let mut server = Self {
            name,
            answer: ANSWER,
            process,
            resident_mb_at_start: 0.0,
        };
        server.resident_mb_at_start = resident_mb(server.process.id());
        server
    }

    fn answering(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

/// Serves the plain handler that the other servers are compared with.
async fn serve_plain() {
    let answer = || async { ([(header::CONTENT_TYPE, "application/json")], ANSWER) };
    let router = Router::new().route(
        "/mcp",
        // The extractor reads the body, as any handler would.
        post(move |_body: Bytes| answer()),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    eprintln!("listening on http://{address}/mcp");
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |io| {
            let _ = io.set_nodelay(true);
        }),
        router,
    )
    .await
    .unwrap();
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
