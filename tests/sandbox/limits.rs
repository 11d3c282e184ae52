//! Limits of a call on time, CPU time, memory, tables and stack. The host keeps serving other calls when one is
//! reached.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, refusal_with};

const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
"#;

/// A guest with tools that never return.
fn endless_guest() -> Guest {
    let mut guest = Guest::new();
    let line = guest.string("line");
    guest
        .import(SLEEP)
        .tool(Tool::new("spins"), "(call $spin)")
        .tool(
            Tool::new("asks-the-host"),
            "(loop $again (drop (call $time_left)) (br $again)) (unreachable)",
        )
        .tool(
            Tool::new("logs"),
            format!("(loop $again (call $log (i32.const 0) {line}) (br $again)) (unreachable)"),
        )
        .tool(
            Tool::new("fills-memory"),
            "(loop $again (memory.fill (i32.const 1024) (i32.const 1) (i32.const 30000)) (br $again))
             (unreachable)",
        )
        .tool(Tool::new("sleeps"), "(call $block (call $timer (i64.const 3600000000000))) (unreachable)");
    guest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_limit_stops_every_guest() {
    let host = Host::start(&[("guest", &endless_guest())], |config| {
        config.limits.time = Duration::from_millis(400);
        config.limits.cpu = Duration::from_secs(600);
    })
    .await;
    for tool in ["spins", "asks-the-host", "logs", "fills-memory", "sleeps"] {
        let started = Instant::now();
        let answer = host.client().call(tool, json!({})).await;
        assert_eq!(
            answer.failure(),
            "the call was stopped after its time limit of 400ms",
            "{tool}"
        );
        let elapsed = started.elapsed();
        assert!(
            elapsed >= Duration::from_millis(400) && elapsed < Duration::from_secs(2),
            "{tool}: {elapsed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cpu_limit_stops_guests_that_compute() {
    let start = async |time_limit| {
        Host::start(&[("guest", &endless_guest())], move |config| {
            config.limits.time = time_limit;
            config.limits.cpu = Duration::from_millis(200);
        })
        .await
    };
    let host = start(Duration::from_secs(600)).await;
    for tool in ["spins", "asks-the-host", "logs", "fills-memory"] {
        let answer = host.client().call(tool, json!({})).await;
        let expected = "the call was stopped after its limit of 200ms of processor time";
        assert_eq!(answer.failure(), expected, "{tool}");
    }
    // A sleeping guest uses no CPU time.
    let host = start(Duration::from_secs(1)).await;
    let answer = host.client().call("sleeps", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the call was stopped after its time limit of 1s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_requests_stay_fast_while_guests_use_every_core() {
    let hello = Guest::saying("hello", "hello");
    let host = Host::start(
        &[("endless", &endless_guest()), ("hello", &hello)],
        |config| {
            config.limits.time = Duration::from_secs(600);
            config.limits.cpu = Duration::from_secs(600);
        },
    )
    .await;
    let spinning: Vec<_> = (0..6)
        .map(|_| {
            let client = host.client();
            tokio::spawn(async move { client.call("spins", json!({})).await })
        })
        .collect();
    let client = host.client();
    let health = client.http.get(host.url("/healthz"));
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(
            health.try_clone().unwrap().send().await.unwrap().status(),
            200
        );
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    for call in spinning {
        assert!(!call.is_finished());
        call.abort();
    }
}

#[tokio::test]
async fn memory_is_limited() {
    let mut guest = Guest::new();
    guest
        .tool(
            Tool::new("uses-all-and-traps"),
            "(loop $again
               (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
               (br $again))
             (unreachable)",
        )
        .tool(
            Tool::new("uses-all-and-continues"),
            "(block $full (loop $again
               (br_if $full (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
               (br $again)))
             (call $say_number (i64.extend_i32_u (memory.size)))
             (call $said)",
        )
        .tool(
            Tool::new("uses-some"),
            "(if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then unreachable))
             (i32.store8 (i32.const 4194303) (i32.const 1))
             (call $say_number (i64.const 1))
             (call $said)",
        )
        .tool(
            Tool::new("asks-for-4GiB"),
            "(call $say_number (i64.extend_i32_s (i32.eq (memory.grow (i32.const 65535)) (i32.const -1))))
             (call $said)",
        );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.memory_bytes = 8 << 20;
    })
    .await;
    let client = host.client();
    assert_eq!(client.call("uses-some", json!({})).await.text(), "1");
    let answer = client.call("uses-all-and-traps", json!({})).await;
    assert_eq!(answer.failure(), "the tool ran out of its 8 MiB of memory");
    // A failed `memory.grow` does not end the call. 8 MiB are 128 pages of 64 KiB.
    assert_eq!(
        client
            .call("uses-all-and-continues", json!({}))
            .await
            .text(),
        "128"
    );
    assert_eq!(client.call("asks-for-4GiB", json!({})).await.text(), "1");
    assert_eq!(client.call("uses-some", json!({})).await.text(), "1");
}

/// A component is rejected at load if its initial memory or tables exceed the limits.
#[tokio::test]
async fn oversized_initial_memory_and_tables_are_rejected() {
    for (item, expected) in [
        ("(table 100000000 funcref)", "table"),
        ("(table 0x7fffffff funcref)", "table"),
        ("(table 300000 funcref)", "table"),
    ] {
        let mut guest = Guest::saying("hello", "hello");
        guest.item(item);
        let lines = refusal_with(&guest, |_| {}).await;
        assert!(
            lines.len() == 1 && lines[0].contains(expected),
            "{item}: {lines:?}"
        );
    }
    let mut large = Guest::saying("hello", "hello");
    large.pages(1000);
    assert_eq!(refusal_with(&large, |_| {}).await, [""; 0]);
    let lines = refusal_with(&large, |config| config.limits.memory_bytes = 8 << 20).await;
    assert!(lines.len() == 1 && lines[0].contains("memory"), "{lines:?}");
}

#[tokio::test]
async fn table_growth_is_limited() {
    let mut guest = Guest::new();
    guest
        .item("(table $table 1 funcref)")
        .tool(
            Tool::new("grows"),
            "(block $full (loop $again
               (br_if $full (i32.eq (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))
               (br $again)))
             (call $say_number (i64.extend_i32_u (table.size $table)))
             (call $said)",
        );
    let host = Host::of(&guest).await;
    let elements: u32 = host
        .client()
        .call("grows", json!({}))
        .await
        .text()
        .parse()
        .unwrap();
    assert!((1..=100_000).contains(&elements), "{elements}");
}

#[tokio::test]
async fn stack_overflow_is_a_crash_of_the_tool() {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .item("(func $deeper (param i64) (result i64) (i64.add (local.get 0) (call $deeper (i64.add (local.get 0) (i64.const 1)))))")
        .item("(func $depth (param i32) (result i32) (if (result i32) (local.get 0)
                 (then (i32.add (i32.const 1) (call $depth (i32.sub (local.get 0) (i32.const 1)))))
                 (else (i32.const 0))))")
        .tool(
            Tool::new("recurses"),
            "(call $say_number (call $deeper (i64.const 0))) (call $said)",
        )
        .tool(
            Tool::new("recurses-2000-times"),
            "(call $say_number (i64.extend_i32_u (call $depth (i32.const 2000)))) (call $said)",
        );
    let host = Host::of(&guest).await;
    let client = host.client();
    assert_eq!(
        client.call("recurses", json!({})).await.failure_with_id(),
        "the tool crashed"
    );
    assert_eq!(
        client.call("recurses-2000-times", json!({})).await.text(),
        "2000"
    );
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
}
