//! A cancelled call stops at once, in whichever operation its guest is blocked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{POLL, TIMER, repeat};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::http::{Fetch, add_http_imports, fetch};
use crate::support::guest::kv::keyvalue_guest;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;
use crate::support::upstream::Upstream;

/// Tools that never return, named by their operation.
const BLOCKING_TOOLS: [&str; 6] = [
    "spins",
    "logs",
    "sleeps",
    "polls",
    "awaits-response",
    "reads-body",
];

/// A guest with [`BLOCKING_TOOLS`], which report progress when they start, and `hello`, which returns at once.
fn guest(upstream: &Upstream) -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    add_http_imports(&mut guest);
    guest.import(TIMER).import(POLL);
    let line = guest.string("line");
    let mut fetch_from = |path: &str| {
        fetch(
            &mut guest,
            &Fetch::get(&format!("{}/{path}", upstream.origin())),
        )
    };
    let (silent, stalls) = (fetch_from("silent"), fetch_from("stalls"));
    let report_start = "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let create_timers = repeat(
        400,
        "(i32.store (i32.add (i32.const 1020) (i32.mul (local.get $n) (i32.const 4)))
           (call $timer (i64.const 3600000000000)))",
    );
    let bodies = [
        "(call $spin)".to_owned(),
        format!("(loop $again (call $log (i32.const 0) {line}) (br $again)) (unreachable)"),
        "(call $block (call $timer (i64.const 3600000000000))) (unreachable)".into(),
        "(call $poll (i32.const 1024) (i32.const 400) (i32.const 256)) (unreachable)".into(),
        format!("{silent} (unreachable)"),
        format!("{stalls} (unreachable)"),
    ];
    for (name, body) in BLOCKING_TOOLS.iter().zip(bodies) {
        // The code that declares locals must be first.
        let locals = if *name == "polls" {
            create_timers.as_str()
        } else {
            ""
        };
        guest.tool(Tool::new(name), format!("{locals} {report_start} {body}"));
    }
    guest
}

/// A configuration with a concurrency of 1, so that a call that is not stopped would block the next one.
fn configuration(upstream: &Upstream, more_settings: &str) -> String {
    format!(
        "{more_settings}\n[[component]]\nref = \"guest.wasm\"\n[component.limits]\nconcurrency = 1\ntime = \"600s\"\ncpu = \"600s\"\n\
         [component.allow]\nhttp = [{:?}]\nprivate-network = true\n",
        upstream.origin()
    )
}

/// Starts a call and waits until the guest runs.
async fn start_call(client: &Client, session: Option<&str>, tool: &str) -> reqwest::Response {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let mut request = client.post(&client.message("tools/call", params));
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{tool}");
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("notifications/progress") {
        received.extend(response.chunk().await.unwrap().unwrap());
    }
    response
}

/// Calls `hello` until the stopped call has released its slot. A call waits for a slot itself, but on a busy machine
/// the epoch tick that stops the guest may come later.
async fn call_hello(client: &Client, stopped_tool: &str) {
    let started = Instant::now();
    loop {
        let answer = client.call("hello", json!({})).await;
        if answer.status == 200 {
            assert_eq!(answer.text(), "hello");
            return;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        let waited = started.elapsed();
        assert!(
            waited < Duration::from_secs(20),
            "{stopped_tool}: {waited:?}"
        );
    }
}

/// The client disconnects (2026-07-28), or sends `notifications/cancelled` in a session of an older revision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnects_and_cancellations_stop_running_calls() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "server.sessions = true");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let modern = host.client();
    let legacy = host.client_of(Revision::November2025);
    let opened = legacy.initialize().await;
    let session = opened.header("mcp-session-id").to_owned();
    for tool in BLOCKING_TOOLS {
        drop(start_call(&modern, None, tool).await);
        call_hello(&modern, tool).await;

        let running = start_call(&legacy, Some(&session), tool).await;
        let message = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
        });
        let sent = legacy.post(&message).header("mcp-session-id", &session);
        assert_eq!(sent.send().await.unwrap().status(), 202);
        call_hello(&modern, tool).await;
        drop(running);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_tasks_stop_running_calls() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let capabilities = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let request = async |method: &str, mut params: Value| {
        params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
        Answer::to(client.post(&client.message(method, params))).await
    };
    for tool in BLOCKING_TOOLS {
        let answer = request("tools/call", json!({ "name": tool, "arguments": {} })).await;
        let task = answer.result()["taskId"].as_str().unwrap().to_owned();
        request("tasks/cancel", json!({ "taskId": task })).await;
        call_hello(&client, tool).await;
    }
}

/// After the drain period, a shutdown cancels the remaining calls and does not wait for their limits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_cancels_calls_after_the_drain_period() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "server.drain = \"100ms\"")
        .replace("concurrency = 1", "concurrency = 8");
    let mut host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let mut running = Vec::new();
    for tool in BLOCKING_TOOLS {
        running.push(start_call(&client, None, tool).await);
    }
    host.stop();
    let started = Instant::now();
    for response in running {
        let text = response.text().await.unwrap();
        assert!(text.contains("the call was cancelled"), "{text}");
    }
    host.stopped().await;
    // Far below the time limit of the calls, even on a busy machine.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellation_does_not_wait_for_a_silent_redis() {
    let store = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = store.local_addr().unwrap();
    let mut guest = keyvalue_guest("cache");
    let text = guest.string("hello");
    guest.tool(Tool::new("hello"), format!("(call $text {text})"));
    let text = format!(
        "[kv]\nurl = \"redis://{address}\"\n[[component]]\nref = \"guest.wasm\"\n[component.limits]\nconcurrency = 1\n\
         [component.allow]\nkv = [\"cache\"]\n"
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let message = client.message("tools/call", json!({ "name": "get", "arguments": {} }));
    let pending = tokio::spawn(client.post(&message).send());
    // The guest has connected to the store.
    let (_connection, _) = store.accept().await.unwrap();
    pending.abort();
    call_hello(&client, "get").await;
}
