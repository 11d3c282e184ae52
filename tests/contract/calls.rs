//! The `call` interface as a guest sees it: caller, remaining time, cancellation, progress and log. Each call has a new
//! instance.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

#[tokio::test]
async fn without_authentication_there_is_no_caller() {
    let mut guest = Guest::new();
    let (nobody, somebody) = (guest.string("nobody"), guest.string("somebody"));
    guest.tool(
        Tool::new("who"),
        format!(
            "(call $caller (i32.const 256))
             (if (result i32) (i32.load8_u (i32.const 256))
               (then (call $text {somebody}))
               (else (call $text {nobody})))"
        ),
    );
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("who", json!({})).await.text(), "nobody");
}

#[tokio::test]
async fn time_left_decreases_and_a_running_call_is_not_cancelled() {
    let mut guest = Guest::new();
    guest
        .tool(
            Tool::new("left"),
            "(local $first i64)
             (local.set $first (call $time_left))
             (call $work (i32.const 30))
             (call $say_number (local.get $first))
             (i32.store8 (i32.const 256) (i32.const 32))
             (call $say (i32.const 256) (i32.const 1))
             (call $say_number (call $time_left))
             (call $said)",
        )
        .tool(
            Tool::new("cancelled"),
            "(call $say_number (i64.extend_i32_u (call $cancelled))) (call $said)",
        );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.time = Duration::from_millis(7_000);
    })
    .await;
    let answer = host.client().call("left", json!({})).await;
    let left: Vec<u64> = answer
        .text()
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(
        left[0] <= 7_000 && left[0] > left[1] && left[1] > 0,
        "{left:?}"
    );
    assert_eq!(host.client().call("cancelled", json!({})).await.text(), "0");
}

/// Progress notifications precede the result, in order and strictly increasing. Others are dropped.
#[tokio::test]
async fn progress_is_sent_to_clients_with_a_progress_token() {
    let mut guest = Guest::new();
    let message = guest.string("half \u{2713}");
    let report = |done: &str, total: Option<&str>, message: Option<&str>| {
        format!(
            "(call $progress (f64.const {done}) (i32.const {}) (f64.const {}) (i32.const {}) {})",
            u8::from(total.is_some()),
            total.unwrap_or("0"),
            u8::from(message.is_some()),
            message.unwrap_or("(i32.const 0) (i32.const 0)"),
        )
    };
    let done = guest.string("done");
    let body = [
        report("0", Some("10"), None),
        report("5", Some("10"), Some(&message)),
        // Dropped: not increasing, or not finite.
        report("5", Some("10"), None),
        report("4.9", None, None),
        report("-1", None, None),
        report("nan", None, None),
        report("inf", None, None),
        // A total that is not finite is omitted.
        report("7.5", Some("nan"), None),
        report("7.500001", Some("inf"), None),
        format!("(call $text {done})"),
    ]
    .concat();
    guest.tool(Tool::new("long"), body);
    let host = Host::of(&guest).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        for token in [json!("abc"), json!(7)] {
            let answer = client.call_with_progress("long", token.clone()).await;
            assert!(answer.is_stream());
            assert_eq!(answer.text(), "done");
            assert_eq!(
                json!(answer.notifications("notifications/progress")),
                json!([
                    { "progressToken": token, "progress": 0.0, "total": 10.0 },
                    { "progressToken": token, "progress": 5.0, "total": 10.0, "message": "half \u{2713}" },
                    { "progressToken": token, "progress": 7.5 },
                    { "progressToken": token, "progress": 7.500001 },
                ]),
                "{revision:?}"
            );
            assert_eq!(answer.messages.len(), 5);
        }
        // Without a progress token the response is plain JSON.
        let answer = client.call("long", json!({})).await;
        assert!(!answer.is_stream());
        assert_eq!(answer.text(), "done");
    }
}

#[tokio::test]
async fn log_messages_are_sent_from_the_requested_level_up() {
    let mut guest = Guest::new();
    let done = guest.string("done");
    let mut body = String::new();
    for (level, text) in ["fine detail", "news", "odd", "bad"].iter().enumerate() {
        let text = guest.string(text);
        body.push_str(&format!("(call $log (i32.const {level}) {text})"));
    }
    guest.tool(Tool::new("talks"), format!("{body}(call $text {done})"));
    let host = Host::of(&guest).await;
    let lines = |answer: &Answer| -> Vec<String> {
        let notifications = answer.notifications("notifications/message");
        let line = |notification: &&Value| {
            format!(
                "{}: {}",
                notification["level"].as_str().unwrap(),
                notification["data"].as_str().unwrap()
            )
        };
        notifications.iter().map(line).collect()
    };

    let client = host.client();
    for (level, expected) in [
        (
            "debug",
            vec![
                "debug: fine detail",
                "info: news",
                "warning: odd",
                "error: bad",
            ],
        ),
        ("info", vec!["info: news", "warning: odd", "error: bad"]),
        ("notice", vec!["warning: odd", "error: bad"]),
        ("warning", vec!["warning: odd", "error: bad"]),
        ("error", vec!["error: bad"]),
        ("emergency", vec![]),
    ] {
        let meta = json!({ "io.modelcontextprotocol/logLevel": level });
        let params = json!({ "name": "talks", "arguments": {}, "_meta": meta });
        let answer = client.request("tools/call", params).await;
        assert_eq!(lines(&answer), expected, "{level}");
        assert_eq!(answer.text(), "done");
    }
    // In the newest revision, no level means no log messages.
    let answer = client.call("talks", json!({})).await;
    assert!(!answer.is_stream(), "{answer:?}");

    // In older revisions, no level means the host's default, `info`.
    for revision in [Revision::June2025, Revision::November2025] {
        let answer = host.client_of(revision).call("talks", json!({})).await;
        assert_eq!(
            lines(&answer),
            ["info: news", "warning: odd", "error: bad"],
            "{revision:?}"
        );
        assert_eq!(answer.text(), "done");
    }
}

/// Memory, globals and tables of one call are not visible to the next.
#[tokio::test]
async fn each_call_has_a_new_instance() {
    let mut guest = Guest::new();
    guest
        .item(
            "(global $calls (mut i64) (i64.const 0))
             (table $table 2 funcref)
             (elem declare func $spin)",
        )
        .tool(
            Tool::new("count"),
            "(global.set $calls (i64.add (global.get $calls) (i64.const 1)))
             (i64.store (i32.const 512) (i64.add (i64.load (i32.const 512)) (i64.const 1)))
             (call $say_number (global.get $calls))
             (call $say_number (i64.load (i32.const 512)))
             (call $say_number (i64.extend_i32_u (memory.size)))
             (call $say_number (i64.extend_i32_u (ref.is_null (table.get $table (i32.const 1)))))
             (table.set $table (i32.const 1) (ref.func $spin))
             (drop (memory.grow (i32.const 3)))
             (call $said)",
        );
    let host = Host::of(&guest).await;
    let client = host.client();
    let first = client.call("count", json!({})).await.text().to_owned();
    assert!(first.starts_with("11") && first.ends_with('1'), "{first}");
    for _ in 0..20 {
        assert_eq!(client.call("count", json!({})).await.text(), first);
    }
    let calls = (0..20).map(|_| client.call("count", json!({})));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.text(), first);
    }
}

/// The response of a short call is not delayed, with or without an event stream.
#[tokio::test]
async fn short_calls_return_immediately() {
    let host = Host::of(&Guest::saying("hello", "hello")).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        for number in 0..30 {
            let started = Instant::now();
            let answer = match number % 2 {
                0 => client.call("hello", json!({})).await,
                _ => client.call_with_progress("hello", json!(number)).await,
            };
            assert_eq!(answer.text(), "hello");
            let elapsed = started.elapsed();
            assert!(
                elapsed < Duration::from_millis(500),
                "{revision:?} {number}: {elapsed:?}"
            );
        }
    }
}
