//! Calls of functions have the same limits and events as calls of tools.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::server::Host;

/// Creates a guest with functions that exceed limits. They may use the prelude of tools, such as `$spin` and `$log`.
fn hostile() -> Guest {
    let mut guest = Guest::new();
    let line = guest.string("a line");
    guest
        .import(r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#)
        .export(
            "export spin: func() -> u32;
             export crash: func();
             export leave: func();
             export recurse: func() -> u32;
             export eat: func() -> u32;
             export tell: func();
             export text: func(size: u32) -> string;
             export bytes: func(size: u32) -> list<u8>;
             export numbers: func(size: u32) -> list<u32>;
             export fail: func(size: u32) -> result<_, string>;",
        )
        .item(format!(
            r#"(func (export "spin") (result i32) (call $spin))
               (func (export "crash") unreachable)
               (func (export "leave") (call $exit (i32.const 1)))
               (func $recurse (export "recurse") (result i32)
                 (i32.add (call $recurse) (call $recurse)))
               (func (export "eat") (result i32)
                 (loop $again (drop (memory.grow (i32.const 16))) (br $again))
                 (unreachable))
               (func (export "tell")
                 (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                 (call $log (i32.const 2) {line}))
               ;; Allocates zeroed memory.
               (func $zeros (param $size i32) (result i32)
                 (i32.store (i32.const 20) (call $realloc
                   (i32.const 0) (i32.const 0) (i32.const 4) (local.get $size)))
                 (i32.const 16))
               (func (export "text") (param i32) (result i32)
                 (drop (call $zeros (local.get 0)))
                 (memory.fill (i32.load (i32.const 20)) (i32.const 120) (local.get 0))
                 (i32.store (i32.const 16) (i32.load (i32.const 20)))
                 (i32.store (i32.const 20) (local.get 0))
                 (i32.const 16))
               (func (export "bytes") (param i32) (result i32)
                 (drop (call $zeros (local.get 0)))
                 (i32.store (i32.const 16) (i32.load (i32.const 20)))
                 (i32.store (i32.const 20) (local.get 0))
                 (i32.const 16))
               (func (export "numbers") (param i32) (result i32)
                 (drop (call $zeros (i32.mul (local.get 0) (i32.const 4))))
                 (i32.store (i32.const 16) (i32.load (i32.const 20)))
                 (i32.store (i32.const 20) (local.get 0))
                 (i32.const 16))
               (func (export "fail") (param i32) (result i32)
                 (drop (call $zeros (local.get 0)))
                 (memory.fill (i32.load (i32.const 20)) (i32.const 120) (local.get 0))
                 (i32.store (i32.const 24) (local.get 0))
                 (i32.store (i32.const 16) (i32.const 1))
                 (i32.const 16))"#
        ));
    guest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_limit_stops_functions() {
    let host = Host::start(&[("guest", &hostile())], |config| {
        config.limits.time = Duration::from_millis(300);
        config.limits.cpu = Duration::from_secs(600);
    })
    .await;
    let started = Instant::now();
    let answer = host.client().call("spin", json!({})).await;
    let elapsed = started.elapsed();
    assert_eq!(
        answer.failure(),
        "the call was stopped after its time limit of 300ms"
    );
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_limit_stops_functions() {
    let host = Host::start(&[("guest", &hostile())], |config| {
        config.limits.cpu = Duration::from_millis(100);
    })
    .await;
    let answer = host.client().call("spin", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the call was stopped after its limit of 100ms of processor time"
    );
}

#[tokio::test]
async fn crashes_and_exits_are_tool_errors() {
    let host = Host::start(&[("guest", &hostile())], |config| {
        config.limits.memory_bytes = 16 << 20;
    })
    .await;
    for tool in ["crash", "recurse"] {
        let answer = host.client().call(tool, json!({})).await;
        assert_eq!(answer.failure_with_id(), "the tool crashed", "{tool}");
    }
    let answer = host.client().call("leave", json!({})).await;
    let expected = "the tool exited with status 1 instead of returning a result";
    assert_eq!(answer.failure(), expected);
    let answer = host
        .client()
        .call("text", json!({ "size": 32 << 20 }))
        .await;
    assert!(answer.failure().contains("memory"), "{answer:?}");
}

#[tokio::test]
async fn functions_may_report_progress_and_log() {
    let host = Host::of(&hostile()).await;
    let answer = host.client().call_with_progress("tell", json!("t")).await;
    assert_eq!(answer.notifications("notifications/progress").len(), 1);
}

/// The limit applies to the result that the guest returned; the host's structured copy of it does not count.
#[tokio::test]
async fn oversized_results_are_rejected() {
    let host = Host::start(&[("guest", &hostile())], |config| {
        config.limits.output_bytes = 1 << 20;
    })
    .await;
    let too_much = "the tool returned more than its limit of 1048576 bytes";
    for (tool, size) in [
        ("text", 1_040_000),
        ("bytes", 520_000),
        ("numbers", 520_000),
    ] {
        let answer = host.client().call(tool, json!({ "size": size })).await;
        assert!(
            answer.text().len() > 690_000,
            "{tool}: {}",
            answer.text().len()
        );
        for size in [size + size / 5, size * 4, 20_000_000] {
            let answer = host.client().call(tool, json!({ "size": size })).await;
            assert_eq!(answer.failure(), too_much, "{tool} {size}");
        }
    }
    let answer = host
        .client()
        .call("fail", json!({ "size": 1_000_000 }))
        .await;
    assert_eq!(answer.failure().len(), 64 << 10);
    let answer = host
        .client()
        .call("fail", json!({ "size": 2_000_000 }))
        .await;
    assert_eq!(answer.failure(), too_much);
}

#[test]
fn call_and_check_commands_work_with_functions() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &hostile().component());
    let output = toolcrib.run(&["call", &path, "text", r#"{"size":3}"#]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (0, "xxx\n"),
        "{output:?}"
    );
    let output = toolcrib.run(&["call", &path, "text", r#"{"size":-3}"#]);
    assert_eq!(output.status, 1);
    let expected = "`/size`: -3 is not an integer from 0 to 4294967295";
    assert!(output.stderr.contains(expected), "{output:?}");
    let output = toolcrib.run(&["call", &path, "fail", r#"{"size":3}"#]);
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (1, "error: xxx\n"),
        "{output:?}"
    );
    let output = toolcrib.run(&["check", &path]);
    assert_eq!(
        output.stdout, "ok: 10 tools from 1 component\n",
        "{output:?}"
    );
}
