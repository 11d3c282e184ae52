//! `make bench`: throughput and latency of calls, relative to a plain axum handler that returns the same bytes.
//!
//! Server and load generator share the machine, so absolute numbers vary; quote the ratios, which are computed round by
//! round. The server is the real binary in a separate process, and so is the plain handler (this program with
//! `--plain`). `make bench-quick` (`--quick`) measures calls alone, `--hostile` only the effect of hostile guests, `--kinds`
//! only a call of each kind of component, `--sandbox` only the sandbox.

#![allow(clippy::unwrap_used)] // A benchmark fails by panicking.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::json;
use toolcrib::auth::{Guard, GuardConfig, KeySource};

#[path = "bench_hostile.rs"]
mod hostile;
#[path = "support/issuer.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod issuer;
#[path = "bench_kinds.rs"]
mod kinds;
#[path = "bench_load.rs"]
mod load;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod process;
#[path = "bench_sandbox.rs"]
mod sandbox;

mod support {
    #[allow(dead_code, unused_imports, reason = "the tests use the rest")]
    pub(crate) mod guest;
}

use issuer::{AUDIENCE, Issuer, SigningKey, now_seconds};
use load::{Message, Rounds, Row, compare, serve_plain};
use process::{Process, resident_mb};
use support::guest::{Guest, Tool};

const FULL: Rounds = Rounds {
    count: 5,
    duration: Duration::from_secs(2),
};
const QUICK: Rounds = Rounds {
    count: 3,
    duration: Duration::from_secs(1),
};
/// Connections of the rows of small calls.
const CONNECTIONS: [usize; 2] = [1, 16];
/// Starts of which the median counts.
const STARTS: usize = 5;
/// Small components of one server.
const SMALL_COMPONENTS: usize = 50;
/// Size of the argument and of the result of large calls.
const LARGE_BYTES: usize = 1 << 20;
/// Tokens verified per algorithm.
const VERIFIED_TOKENS: usize = 2_000;
/// Distinct tokens verified to measure the memory of the token cache.
const CACHED_TOKENS: usize = 100_000;

#[tokio::main]
async fn main() {
    let has_flag = |flag: &str| std::env::args().any(|argument| argument == flag);
    if has_flag("--plain") {
        return serve_plain().await;
    }
    let dir = tempfile::tempdir().unwrap();
    if has_flag("--hostile") {
        return hostile::measure(dir.path()).await;
    }
    if has_flag("--kinds") {
        return kinds::measure(dir.path(), QUICK).await;
    }
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");
    if has_flag("--sandbox") {
        return sandbox::measure(Path::new(examples)).await;
    }
    let echo = &format!("{examples}/echo.wasm");
    assert!(
        Path::new(echo).exists(),
        "build the examples first: make examples"
    );
    if has_flag("--quick") {
        return measure_calls(echo, dir.path(), QUICK).await;
    }
    measure_calls(echo, dir.path(), FULL).await;
    kinds::measure(dir.path(), FULL).await;
    measure_start(echo, examples, dir.path());
    measure_guard().await;
    sandbox::measure(Path::new(examples)).await;
    hostile::measure(dir.path()).await;
}

/// Measures calls of small tools, other small requests and large calls.
async fn measure_calls(echo: &str, dir: &Path, rounds: Rounds) {
    let issuer = Issuer::start().await;
    issuer.set_keys([SigningKey::rsa("rsa", 0)]);
    let token = issuer.token(|claims| claims["exp"] = (now_seconds() + 3600).into());
    let config = dir.join("guarded.toml");
    let text = format!(
        "server.public-url = \"https://tools.example\"\n[auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n\
         jwks-uri = {:?}\n",
        issuer.url(),
        issuer.jwks_uri()
    );
    std::fs::write(&config, &text).unwrap();
    let config = config.to_str().unwrap();
    let silent = dir.join("silent.toml");
    std::fs::write(&silent, format!("{text}[telemetry]\nlevel = \"warn\"\n")).unwrap();
    let recording = dir.join("recording.toml");
    let all = "[telemetry]\nlog-file = \"x.log\"\nmetrics = \"127.0.0.1:0\"\naudit = \"x.jsonl\"\n";
    std::fs::write(&recording, text + all).unwrap();
    let (tool, function) = echo_components(dir);

    let call = || Message::call("echo", json!({ "text": "hello" }));
    let guarded = |component: &str| Process::serve([component, "--config", config]);
    let rows = [
        Row::new("plain axum handler", plain(), call()),
        Row::new("no guard", Process::serve([echo, "--no-auth"]), call()),
        Row::new("guard (RS256)", guarded(echo), call().with_token(&token)),
        Row::new(
            "  nothing recorded",
            Process::serve([echo, "--config", silent.to_str().unwrap()]),
            call().with_token(&token),
        ),
        Row::new(
            "  everything recorded",
            Process::serve([echo, "--config", recording.to_str().unwrap()]),
            call().with_token(&token),
        ),
        Row::new(
            "  2026-07-28",
            guarded(echo),
            call().modern().with_token(&token),
        ),
        Row::new("  minimal guest", guarded(&tool), call().with_token(&token)),
        Row::new(
            "  plain function",
            guarded(&function),
            call().with_token(&token),
        ),
        Row::new(
            "  tools/list",
            guarded(echo),
            Message::list().with_token(&token),
        ),
    ];
    println!(
        "an echo tool (Rust): medians of {} rounds of {:?}",
        rounds.count, rounds.duration
    );
    for connections in CONNECTIONS {
        compare(&rows, connections, rounds).await;
    }
    drop(rows);
    // Recording less than everything would cost less.
    let audit = std::fs::read_to_string(dir.join("x.jsonl")).unwrap();
    assert!(
        !audit.contains(r#""event":"lost""#),
        "the audit lost records"
    );

    let large = || Message::call("echo", json!({ "text": "x".repeat(LARGE_BYTES) }));
    let rows = [
        Row::new("plain axum handler", plain(), large()),
        Row::new("guard (RS256)", guarded(echo), large().with_token(&token)),
    ];
    println!("\nthe same with an argument and a result of {LARGE_BYTES} bytes");
    compare(&rows, 1, rounds).await;
}

/// Starts the plain handler, which is this program.
fn plain() -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--plain");
    Process::start(command)
}

/// Measures memory and start-up time.
fn measure_start(echo: &str, examples: &str, dir: &Path) {
    println!("\nresident memory, idle, and start to ready with a warm cache: medians of {STARTS}");
    let small = dir.join("small");
    std::fs::create_dir(&small).unwrap();
    for n in 0..SMALL_COMPONENTS {
        let name = format!("small-{n}");
        let component = Guest::saying(&name, "5").component();
        std::fs::write(small.join(name).with_extension("wasm"), component).unwrap();
    }
    for (name, reference) in [
        ("one component", echo),
        ("all examples", examples),
        ("50 small components", small.to_str().unwrap()),
    ] {
        let started: Vec<_> = (0..STARTS)
            .map(|_| Process::serve([reference, "--no-auth"]))
            .map(|server| (resident_mb(server.id()), server.ready))
            .collect();
        let memory = median(started.iter().map(|(mb, _)| *mb));
        let ready = median(started.iter().map(|(_, ready)| ready.as_secs_f64() * 1e3));
        println!("{name:<24} {memory:>6.1} MB {ready:>6.0} ms");
    }
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
        Tool::new("echo").taking(schema).with_output_schema(schema),
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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
