//! Places for calls, rates of calls, and clients that go away.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::json;

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// `spin` reports that it has begun and never ends by itself; `hello` answers at once.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .tool(
            Tool::new("spin"),
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $spin)",
        )
        .tool(Tool::new("spin-silently"), "(call $spin)");
    guest
}

/// Begins a call of `spin` and waits until it runs.
async fn spinning(client: &Client) -> Response {
    let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("notifications/progress") {
        seen.extend(response.chunk().await.unwrap().unwrap());
    }
    response
}

/// Calls until there is a place, which each refusal waits for; the number of refusals.
async fn until_admitted(client: &Client, tool: &str) -> u32 {
    let begun = Instant::now();
    let mut refused = 0;
    loop {
        let answer = client.call(tool, json!({})).await;
        if answer.status == 200 {
            assert_eq!(answer.text(), "hello");
            return refused;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        refused += 1;
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the place is never given back"
        );
    }
}

fn check_saturated(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.last()["id"], 1);
    assert!(answer.message().contains("try again in 1 s"), "{answer:?}");
}

/// A component has so many places and no more; other components have theirs, and lists need none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_a_component() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(&[("guest", &guest()), ("other", &other)], |config| {
        config.limits.concurrency = 1;
    })
    .await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let running = spinning(&client).await;
        check_saturated(&client.call("hello", json!({})).await);
        assert_eq!(client.call("other", json!({})).await.text(), "hello");
        assert_eq!(client.list().await.status, 200);
        assert_eq!(client.call("nothing", json!({})).await.code(), -32602);
        drop(running);
        until_admitted(&client, "hello").await;
    }
}

/// All components together have so many places and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_all() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(&[("guest", &guest()), ("other", &other)], |config| {
        config.server.max_concurrent_calls = 1;
    })
    .await;
    let client = host.client();
    let running = spinning(&client).await;
    check_saturated(&client.call("other", json!({})).await);
    drop(running);
    until_admitted(&client, "other").await;
}

/// A client that goes stops its call, in every revision, whether or not it has heard of it before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnect() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.limits.concurrency = 1;
        // Neither limit may be what ends the call.
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
    })
    .await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        drop(spinning(&client).await);
        until_admitted(&client, "hello").await;

        // Silent: the client has seen no byte of the answer when it goes.
        let message = client.message(
            "tools/call",
            json!({ "name": "spin-silently", "arguments": {} }),
        );
        let impatient = client.post(&message).timeout(Duration::from_millis(300));
        assert!(impatient.send().await.unwrap_err().is_timeout());
        until_admitted(&client, "hello").await;
    }
}

/// So many calls of a component in a minute for each caller; the next one is told when to come again.
#[tokio::test]
async fn rate() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(&[("guest", &guest()), ("other", &other)], |config| {
        config.limits.calls_per_minute = NonZeroU32::new(3);
    })
    .await;
    let client = host.client();
    for _ in 0..3 {
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    }
    for revision in Revision::ALL {
        let answer = host.client_of(revision).call("hello", json!({})).await;
        assert_eq!(answer.status, 429, "{answer:?}");
        let seconds: u32 = answer.header("retry-after").parse().unwrap();
        assert!((1..=21).contains(&seconds), "{seconds}");
        assert_eq!(answer.last()["id"], 1);
        assert!(answer.message().contains("too many calls"), "{answer:?}");
        assert_eq!(host.client_of(revision).list().await.status, 200);
    }
    assert_eq!(client.call("other", json!({})).await.text(), "hello");

    let host = Host::of(&guest()).await;
    let calls = (0..100).map(async |_| host.client().call("nothing", json!({})).await.status);
    assert!(
        futures::future::join_all(calls)
            .await
            .iter()
            .all(|status| *status == 200)
    );
}
