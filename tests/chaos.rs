//! A random stream of good, broken and hostile requests from several callers against the binary. Throughout, its memory,
//! threads, files and the latency of `/healthz` are bounded, and good requests get their answers. Afterwards everything
//! is released.

mod requests;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::hostile::{BLOCK, TIMER, repeat_forever};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, SigningKey, now_seconds};
use crate::support::process::Process;
use crate::support::rng::Rng;
use requests::{Counts, Requester, Target};
use usage::Monitor;

/// Duration of the stream.
const DURATION: Duration = Duration::from_secs(40);
/// Number of clients that send requests at the same time. Fewer than the call slots, so that good calls find one.
const CLIENTS: u64 = 12;
/// Least number of good requests that are answered, on a slow machine with a build for development.
const MIN_GOOD_ANSWERS: usize = 100;
/// Longest log line.
const MAX_LOG_LINE_BYTES: usize = 10_000;

const SETTINGS: &str = r#"
components = ["hello.wasm", "hostile.wasm", "functions.wasm"]
[server]
public-url = "https://tools.example"
max-body = "1MiB"
max-concurrent-calls = 32
[cache]
dir = false
[limits]
memory = "4MiB"
cpu = "100ms"
time = "2s"
output = "256KiB"
"#;

/// A guest whose tools use up every resource.
fn hostile_guest() -> Guest {
    let mut guest = Guest::new();
    let line = guest.string("line");
    guest
        .pages(40)
        .import(TIMER)
        .import(BLOCK)
        .tool(Tool::new("spins"), "(call $spin)")
        .tool(
            Tool::new("grows"),
            repeat_forever(
                "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))",
            ),
        )
        .tool(
            Tool::new("logs"),
            repeat_forever(&format!("(call $log (i32.const 0) {line})")),
        )
        .tool(
            Tool::new("floods"),
            "(call $text (i32.const 1048576) (i32.const 1000000))",
        )
        .tool(
            Tool::new("naps"),
            "(call $block (call $timer (i64.const 3600000000000))) (unreachable)",
        )
        .tool(Tool::new("traps"), "(unreachable)");
    guest
}

/// Returns the access tokens of three callers, and tokens that the server must reject.
fn tokens(issuer: &Issuer) -> (Vec<String>, Vec<String>) {
    let of = |subject: &str| issuer.token(|claims| claims["sub"] = json!(subject));
    let valid = ["alice", "bob", "carol"].map(of).to_vec();
    let expired = issuer.token(|claims| claims["exp"] = json!(now_seconds() - 3_600));
    let for_another = issuer.token(|claims| claims["aud"] = json!("https://other.example"));
    let forged = SigningKey::p256("key-1").token(&issuer.claims(|_| {}));
    let garbage = ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."].map(str::to_owned);
    let mut rejected = vec![expired, for_another, forged, "A".repeat(20_000)];
    rejected.extend(garbage);
    (valid, rejected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_stream_of_requests_is_contained() {
    let issuer = Issuer::start().await;
    let dir = Toolcrib::new();
    dir.write("hello", &Guest::saying("hello", "hello").component());
    dir.write("hostile", &hostile_guest().component());
    dir.write(
        "functions",
        include_bytes!("../fuzz/corpus/component/functions.wasm"),
    );
    let auth = format!(
        "[auth]\nissuer = \"{}\"\njwks-uri = \"{}\"\naudience = \"{AUDIENCE}\"\n",
        issuer.url(),
        issuer.jwks_uri()
    );
    dir.file("toolcrib.toml", format!("{SETTINGS}{auth}"));
    let command = dir.command(&[
        "serve",
        "--config",
        "toolcrib.toml",
        "--listen",
        "127.0.0.1:0",
    ]);
    let longest_line = Arc::new(AtomicUsize::new(0));
    let panics = Arc::new(AtomicUsize::new(0));
    let (longest, panicked) = (longest_line.clone(), panics.clone());
    let process = Process::start_with_log(command, move |line| {
        longest.fetch_max(line.len(), SeqCst);
        panicked.fetch_add(usize::from(line.contains("panicked")), SeqCst);
    });
    let (valid, rejected) = tokens(&issuer);
    let target = Arc::new(Target::new(process.address, valid, rejected));

    // Starts the threads of the guest runtime, which would otherwise count as growth.
    let url = format!("http://{}/mcp", process.address);
    let client = Client::new(&url, Revision::July2026).with_token(&target.valid_tokens[0]);
    client.call("spins", json!({})).await;
    let mut monitor = Monitor::new(&process).await;
    let counts = stream(&target, &mut monitor).await;
    assert!(counts.good > MIN_GOOD_ANSWERS, "{counts:?}");
    assert!(counts.good > 4 * counts.busy, "{counts:?}");
    assert!(counts.contained > 0 && counts.refused > 0, "{counts:?}");
    drop(client);
    monitor.assert_released().await;
    for token in &target.valid_tokens {
        let client = Client::new(&url, Revision::July2026).with_token(token);
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    }
    assert_eq!(panics.load(SeqCst), 0, "the log has a panic");
    let longest = longest_line.load(SeqCst);
    assert!(
        longest < MAX_LOG_LINE_BYTES,
        "the log has a line of {longest} bytes"
    );
}

/// Sends requests for [`DURATION`] and samples the server meanwhile.
async fn stream(target: &Arc<Target>, monitor: &mut Monitor) -> Counts {
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for seed in 1..=CLIENTS {
        let mut requester = Requester::new(target.clone(), Rng::new(seed));
        clients.spawn(async move {
            while started.elapsed() < DURATION {
                requester.send_one().await;
            }
            requester.counts
        });
    }
    let mut counts = Counts::default();
    loop {
        tokio::select! {
            joined = clients.join_next() => match joined {
                Some(of_client) => counts.add(&of_client.unwrap()),
                None => return counts,
            },
            () = monitor.sample() => {}
        }
    }
}
