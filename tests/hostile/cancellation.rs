//! A call that nobody wants any longer stops at once, whatever its guest is in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{POLL, TIMER, times};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::http::{Fetch, can_fetch, fetch};
use crate::support::guest::kv::keeping;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;
use crate::support::upstream::Upstream;

/// What a guest is in when it is stopped.
const BLOCKED: [&str; 6] = ["spins", "logs", "sleeps", "polls", "asks", "reads"];

/// Each tool says that it has begun and never ends; `hello` answers at once.
fn guest(upstream: &Upstream) -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    can_fetch(&mut guest);
    guest.import(TIMER).import(POLL);
    let line = guest.string("line");
    let mut asks = |path: &str| {
        fetch(
            &mut guest,
            &Fetch::get(&format!("{}/{path}", upstream.origin())),
        )
    };
    let (silent, stalls) = (asks("silent"), asks("stalls"));
    let begun = "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let polls = times(
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
    for (name, body) in BLOCKED.iter().zip(bodies) {
        // Declarations of locals come first.
        let first = if *name == "polls" { polls.as_str() } else { "" };
        guest.tool(Tool::new(name), format!("{first} {begun} {body}"));
    }
    guest
}

/// The component has one place, so that one call which goes on would hold up the next.
fn configuration(upstream: &Upstream, more: &str) -> String {
    format!(
        "{more}\n[[component]]\nref = \"guest.wasm\"\n[component.limits]\nconcurrency = 1\ntime = \"600s\"\ncpu = \"600s\"\n\
         [component.allow]\nhttp = [{:?}]\nprivate-network = true\n",
        upstream.origin()
    )
}

/// Begins a call and waits until it runs.
async fn begin(client: &Client, session: Option<&str>, tool: &str) -> reqwest::Response {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let mut request = client.post(&client.message("tools/call", params));
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{tool}");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("notifications/progress") {
        seen.extend(response.chunk().await.unwrap().unwrap());
    }
    response
}

/// Answers as soon as there is a place. A call waits for one itself; on a machine that has no time for the guest's thread,
/// the tick at which it stops may be later than that.
async fn hello(client: &Client, after: &str) {
    let begun = Instant::now();
    loop {
        let answer = client.call("hello", json!({})).await;
        if answer.status == 200 {
            assert_eq!(answer.text(), "hello");
            return;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(20), "{after}: {waited:?}");
    }
}

/// The client goes; and a session of an older revision is told to cancel. Either way the only place is free for the
/// next call, which waits for it no longer than any call does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "server.sessions = true");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let modern = host.client();
    let legacy = host.client_of(Revision::November2025);
    let opened = legacy.initialize().await;
    let session = opened.header("mcp-session-id").to_owned();
    for tool in BLOCKED {
        drop(begin(&modern, None, tool).await);
        hello(&modern, tool).await;

        let running = begin(&legacy, Some(&session), tool).await;
        let message = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
        });
        let sent = legacy.post(&message).header("mcp-session-id", &session);
        assert_eq!(sent.send().await.unwrap().status(), 202);
        hello(&modern, tool).await;
        drop(running);
    }
}

/// So does a task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let declared = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let request = async |method: &str, mut params: Value| {
        params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": declared });
        Answer::to(client.post(&client.message(method, params))).await
    };
    for tool in BLOCKED {
        let answer = request("tools/call", json!({ "name": tool, "arguments": {} })).await;
        let task = answer.result()["taskId"].as_str().unwrap().to_owned();
        request("tasks/cancel", json!({ "taskId": task })).await;
        hello(&client, tool).await;
    }
}

/// A shutdown stops what is left after the drain, and waits for none of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown() {
    let upstream = Upstream::start().await;
    let guest = guest(&upstream);
    let text = configuration(&upstream, "server.drain = \"100ms\"")
        .replace("concurrency = 1", "concurrency = 8");
    let mut host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let mut running = Vec::new();
    for tool in BLOCKED {
        running.push(begin(&client, None, tool).await);
    }
    host.stop();
    let begun = Instant::now();
    for response in running {
        let text = response.text().await.unwrap();
        assert!(text.contains("the call was cancelled"), "{text}");
    }
    host.stopped().await;
    // Far from the limits of the calls, whatever else the machine does.
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

/// A store that is silent holds a guest, and not its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_store() {
    let store = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = store.local_addr().unwrap();
    let mut guest = keeping("cache");
    let text = guest.string("hello");
    guest.tool(Tool::new("hello"), format!("(call $text {text})"));
    let text = format!(
        "[kv]\nurl = \"redis://{address}\"\n[[component]]\nref = \"guest.wasm\"\n[component.limits]\nconcurrency = 1\n\
         [component.allow]\nkv = [\"cache\"]\n"
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let client = host.client();
    let message = client.message("tools/call", json!({ "name": "get", "arguments": {} }));
    let asking = tokio::spawn(client.post(&message).send());
    // It has come as far as the store.
    let (_connection, _) = store.accept().await.unwrap();
    asking.abort();
    hello(&client, "get").await;
}
