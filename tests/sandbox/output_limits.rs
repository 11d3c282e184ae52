//! Limits on what a guest can send: results, errors, progress and log lines.

use std::time::Duration;

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::{Block, Guest, Reply, Tool};
use crate::support::server::Host;

/// The limit applies to the result as a whole, wherever its bytes are.
#[tokio::test]
async fn oversized_results_are_rejected() {
    const MAX_BYTES: usize = 100_000;
    let allowed = "x".repeat(MAX_BYTES - 1_000);
    let oversized = "x".repeat(MAX_BYTES + 1);
    let json_of = |text: &str| format!("{{\"a\":\"{text}\"}}");
    let (allowed_json, oversized_json) = (json_of(&allowed), json_of(&oversized));
    let half = "x".repeat(MAX_BYTES / 2);
    let text = |text| (Block::Text(text), None);
    let cases: Vec<(&str, Reply<'_>, bool)> = vec![
        (
            "text",
            Reply {
                content: vec![text(&allowed)],
                ..Reply::default()
            },
            true,
        ),
        (
            "text-over",
            Reply {
                content: vec![text(&oversized)],
                ..Reply::default()
            },
            false,
        ),
        (
            "halves-over",
            Reply {
                content: vec![text(&half), text(&half), text("x")],
                ..Reply::default()
            },
            false,
        ),
        (
            "image-over",
            Reply {
                content: vec![(Block::Image(oversized.as_bytes(), "image/png"), None)],
                ..Reply::default()
            },
            false,
        ),
        (
            "link-over",
            Reply {
                content: vec![(Block::EmbeddedText(&oversized, None, ""), None)],
                ..Reply::default()
            },
            false,
        ),
        (
            "type-over",
            Reply {
                content: vec![(Block::Image(b"", &oversized), None)],
                ..Reply::default()
            },
            false,
        ),
        (
            "structured",
            Reply {
                structured: Some(&allowed_json),
                ..Reply::default()
            },
            true,
        ),
        (
            "structured-over",
            Reply {
                structured: Some(&oversized_json),
                ..Reply::default()
            },
            false,
        ),
        (
            "meta-over",
            Reply {
                meta: Some(&oversized_json),
                ..Reply::default()
            },
            false,
        ),
        (
            "blocks-over",
            Reply {
                content: (0..20_000).map(|_| text("")).collect(),
                ..Reply::default()
            },
            false,
        ),
    ];
    let mut guest = Guest::new();
    let mut tools = Vec::new();
    for (name, reply, is_allowed) in cases {
        let body = guest.reply(&reply);
        guest.tool(Tool::new(name), body);
        tools.push((name, is_allowed));
    }
    // 30,000 blocks share one string of 1 MiB: 30 GiB if each were copied.
    guest.tool(
        Tool::new("shared-over"),
        "(local $block i32) (local $end i32) (local $blocks i32)
         (local.set $blocks (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 3360000)))
         (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1048576)))
         (local.set $block (local.get $blocks))
         (local.set $end (i32.add (local.get $blocks) (i32.const 3360000)))
         (loop $again
           (i32.store offset=8 (local.get $block) (local.get $end))
           (i32.store offset=12 (local.get $block) (i32.const 1048576))
           (local.set $block (i32.add (local.get $block) (i32.const 112)))
           (br_if $again (i32.lt_u (local.get $block) (local.get $end))))
         (drop (call $text (i32.const 0) (i32.const 0)))
         (i32.store (i32.const 24) (local.get $blocks))
         (i32.store (i32.const 28) (i32.const 30000))
         (i32.const 16)",
    );
    tools.push(("shared-over", false));
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.output_bytes = MAX_BYTES;
    })
    .await;
    for (name, is_allowed) in tools {
        let answer = host.client().call(name, json!({})).await;
        if is_allowed {
            assert!(answer.text().len() > MAX_BYTES / 2, "{name}");
        } else {
            assert_eq!(
                answer.failure(),
                "the tool returned more than its limit of 100000 bytes",
                "{name}"
            );
        }
    }
}

/// A truncated error text is still useful to a model, unlike a truncated result.
#[tokio::test]
async fn long_error_texts_are_truncated() {
    let mut guest = Guest::new();
    let text = guest.string("\u{1F980}".repeat(100_000));
    guest
        .tool(Tool::new("fails"), format!("(call $failed {text})"))
        .tool(Tool::new("rejects"), format!("(call $invalid {text})"));
    let host = Host::of(&guest).await;
    for tool in ["fails", "rejects"] {
        let answer = host.client().call(tool, json!({})).await;
        let length = answer.failure().len();
        assert!((60_000..=65_536).contains(&length), "{tool}: {length}");
        assert!(answer.failure().chars().all(|c| c == '\u{1F980}'));
    }
}

#[tokio::test]
async fn progress_notifications_are_limited() {
    let mut guest = Guest::new();
    let done = guest.string("done");
    let message = guest.string("y".repeat(10_000));
    guest
        .tool(
            Tool::new("many-notifications"),
            format!(
                "(local $n f64)
                 (loop $again
                   (local.set $n (f64.add (local.get $n) (f64.const 1)))
                   (call $progress (local.get $n) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                   (br_if $again (f64.lt (local.get $n) (f64.const 5000))))
                 (call $text {done})"
            ),
        )
        .tool(
            Tool::new("long-message"),
            format!(
                "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {message})
                 (call $text {done})"
            ),
        );
    let host = Host::of(&guest).await;
    let answer = host
        .client()
        .call_with_progress("many-notifications", json!(1))
        .await;
    let events = answer.notifications("notifications/progress");
    assert_eq!(events.len(), 1_000);
    assert_eq!(events[999]["progress"], 1000.0);
    assert_eq!(answer.text(), "done");
    let answer = host
        .client()
        .call_with_progress("long-message", json!(1))
        .await;
    let message = answer.notifications("notifications/progress")[0]["message"]
        .as_str()
        .unwrap();
    assert_eq!(message.len(), 4_096);
}

const STDOUT: &str = r#"
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
      (func $write (param i32 i32 i32 i32)))
"#;

/// A guest cannot flood the log, forge lines of the host or send control characters to the operator's terminal.
#[test]
fn log_lines_are_limited_and_escaped() {
    let mut guest = Guest::new();
    let line = guest.string("a line of the guest\n");
    let without_newline = guest.string("x".repeat(4_000));
    let forged =
        guest.string("all is well\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2J\x1b]0;x\x07 end");
    let done = guest.string("done");
    let repeat = |times: u32, body: &str| {
        format!(
            "(local $n i32) (local $out i32)
             (local.set $out (call $get_stdout))
             (local.set $n (i32.const {times}))
             (loop $again {body}
               (local.set $n (i32.sub (local.get $n) (i32.const 1)))
               (br_if $again (local.get $n)))
             (call $text {done})"
        )
    };
    let write = |text: &str| format!("(call $write (local.get $out) {text} (i32.const 512))");
    guest
        .import(STDOUT)
        .tool(Tool::new("prints"), repeat(50_000, &write(&line)))
        .tool(
            Tool::new("prints-one-line"),
            repeat(5_000, &write(&without_newline)),
        )
        .tool(
            Tool::new("logs"),
            repeat(50_000, &format!("(call $log (i32.const 1) {line})")),
        )
        .tool(Tool::new("prints-forged"), repeat(1, &write(&forged)))
        .tool(
            Tool::new("logs-forged"),
            repeat(1, &format!("(call $log (i32.const 1) {forged})")),
        )
        .tool(Tool::new("prints-once"), repeat(1, &write(&line)));
    let toolcrib = Toolcrib::new();
    let component = toolcrib.write("guest", &guest.component());
    let call = |tool: &str| {
        let output = toolcrib.run(&["call", &component, tool]);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (0, "done\n"),
            "{tool}: {}",
            output.stderr
        );
        output.stderr
    };
    for tool in ["prints", "prints-one-line", "logs"] {
        let log = call(tool);
        let lines = log.lines().count();
        assert!((1_000..=1_002).contains(&lines), "{tool}: {lines} lines");
        assert!(log.lines().last().unwrap().contains("truncated"), "{tool}");
        assert!(log.len() < 10_000_000, "{tool}: {} bytes", log.len());
    }
    let log = call("prints-once");
    assert!(
        log.lines().count() == 1 && log.contains("a line of the guest"),
        "{log}"
    );
    for tool in ["prints-forged", "logs-forged"] {
        let log = call(tool);
        assert!(
            log.contains("all is well") && log.contains("end"),
            "{log:?}"
        );
        for line in log.lines() {
            assert!(!line.starts_with("2026-01-01"), "{tool}: {log:?}");
        }
        for bad in ['\x1b', '\x07', '\r'] {
            assert!(!log.contains(bad), "{tool}: {log:?}");
        }
    }
}

/// Backpressure of one client only affects its own call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_blocks_no_other() {
    let mut guest = Guest::saying("hello", "hello");
    let done = guest.string("done");
    let message = guest.string("z".repeat(4_000));
    guest.tool(
        Tool::new("talks"),
        format!(
            "(local $n f64)
             (loop $again
               (local.set $n (f64.add (local.get $n) (f64.const 1)))
               (call $progress (local.get $n) (i32.const 0) (f64.const 0) (i32.const 1) {message})
               (br_if $again (f64.lt (local.get $n) (f64.const 1000))))
             (call $text {done})"
        ),
    );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.time = Duration::from_secs(2);
    })
    .await;
    let client = host.client();
    let params = json!({ "name": "talks", "arguments": {}, "_meta": { "progressToken": 1 } });
    let unread = client
        .post(&client.message("tools/call", params))
        .send()
        .await
        .unwrap();
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    // Complete or stopped at its time limit, the call ends with a result.
    let text = unread.text().await.unwrap();
    assert!(text.contains("\"result\""), "{} bytes", text.len());
}
