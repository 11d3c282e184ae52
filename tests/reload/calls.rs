//! Calls in flight and rate limits across a reload.

use std::time::Duration;

use serde_json::json;

use super::{put_component, wait_for_text, wait_for_tools};
use crate::support::client::{Client, Stream};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Starts a call of a tool that reports progress when it runs, and waits for that.
async fn start_call(client: &Client, tool: &str) -> Stream {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let mut running = Stream::open(client.post(&client.message("tools/call", params))).await;
    let first = running.next().await.unwrap();
    assert_eq!(first["method"], "notifications/progress");
    running
}

/// A running call finishes in the version in which it started, and occupies its call slot until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_calls_finish_in_their_version() {
    const REPORT_START: &str = "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let mut guest = Guest::saying("tool", "one");
    let text = guest.string("one");
    guest.tool(
        Tool::new("slow"),
        format!(
            "{REPORT_START}
             (loop $again (br_if $again (i64.gt_u (call $time_left) (i64.const 597000))))
             (call $text {text})"
        ),
    );
    guest.tool(Tool::new("spin"), format!("{REPORT_START} (call $spin)"));
    let host = Host::watching(&[("a", &guest)], |config| {
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
        config.limits.concurrency = 1;
        config.server.max_concurrent_calls = 1;
    })
    .await;
    let client = host.client();
    let mut slow = start_call(&client, "slow").await;
    put_component(&host, "a", &Guest::saying("tool", "two"));
    wait_for_tools(&client, &["tool"]).await;
    let last = slow.next().await.unwrap();
    assert_eq!(last["result"]["content"][0]["text"], "one", "{last}");
    wait_for_text(&client, "tool", "two").await;

    put_component(&host, "a", &guest);
    wait_for_tools(&client, &["slow", "spin", "tool"]).await;
    let spin = start_call(&client, "spin").await;
    put_component(&host, "a", &Guest::saying("tool", "two"));
    put_component(&host, "b", &Guest::saying("b", "b"));
    wait_for_tools(&client, &["b", "tool"]).await;
    // The old version's call counts against the new version's limit and the server's.
    for tool in ["tool", "b"] {
        assert_eq!(client.call(tool, json!({})).await.status, 503, "{tool}");
    }
    drop(spin);
    wait_for_text(&client, "tool", "two").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_survive_a_reload() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |config| {
        config.limits.calls_per_minute = std::num::NonZeroU32::new(2);
    })
    .await;
    let client = host.client();
    for _ in 0..2 {
        assert_eq!(client.call("a", json!({})).await.text(), "one");
    }
    assert_eq!(client.call("a", json!({})).await.status, 429);
    // Another component is added, and then a new version of this one.
    put_component(&host, "b", &Guest::saying("b", "b"));
    wait_for_tools(&client, &["a", "b"]).await;
    assert_eq!(client.call("a", json!({})).await.status, 429);
    let mut second = Guest::saying("a", "two");
    let text = second.string("more");
    second.tool(Tool::new("more"), format!("(call $text {text})"));
    put_component(&host, "a", &second);
    wait_for_tools(&client, &["a", "b", "more"]).await;
    assert_eq!(client.call("a", json!({})).await.status, 429);
    assert_eq!(client.call("b", json!({})).await.text(), "b");
}
