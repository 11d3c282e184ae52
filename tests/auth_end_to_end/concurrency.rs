//! Concurrent calls of authenticated callers: no caller takes all places of a component.

use serde_json::json;

use super::configuration;
use crate::support::client::Client;
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::Issuer;
use crate::support::server::Host;

/// A guest whose tool `spin` reports progress once and never returns.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $spin)",
    );
    guest
}

/// Starts a call of `spin` and waits until it runs.
async fn start_spinning(client: &Client) -> reqwest::Response {
    let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap().unwrap();
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_a_component() {
    let issuer = Issuer::start().await;
    // Limits, the calls of alice that run, and the status of one more call of alice and of bob.
    for (limits, running, alice_status, bob_status) in [
        ("[limits]\nconcurrency = 4", 2, 429, 200),
        ("[limits]\nconcurrency = 3", 2, 429, 200),
        (
            "[limits]\nconcurrency = 3\nconcurrency-per-caller = 1",
            1,
            429,
            200,
        ),
        (
            "[limits]\nconcurrency = 2\nconcurrency-per-caller = 2",
            2,
            429,
            503,
        ),
        ("[limits]\nconcurrency = 1", 1, 429, 503),
        (
            "[limits]\nconcurrency = 64\nconcurrency-per-caller = 64",
            2,
            200,
            200,
        ),
    ] {
        let settings = format!("{limits}\ntime = \"10m\"\ncpu = \"10m\"");
        let host =
            Host::configured(&[("guest", &guest())], &configuration(&issuer, &settings)).await;
        let client = |subject: &str| {
            let token = issuer.token(|claims| claims["sub"] = json!(subject));
            host.client().with_token(&token)
        };
        let (alice, bob) = (client("alice"), client("bob"));
        let mut calls = Vec::new();
        for _ in 0..running {
            calls.push(start_spinning(&alice).await);
        }
        let refused = alice.call("hello", json!({})).await;
        assert_eq!(refused.status, alice_status, "{limits}: {refused:?}");
        if alice_status == 429 {
            assert_eq!(refused.header("retry-after"), "1");
            assert!(
                refused.message().contains("your limit of concurrent calls"),
                "{refused:?}"
            );
        }
        let answer = bob.call("hello", json!({})).await;
        assert_eq!(answer.status, bob_status, "{limits}: {answer:?}");
        drop(calls);
    }
}

/// A component's own limit replaces the one of all components, and each component counts its own calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_is_counted_per_component() {
    let issuer = Issuer::start().await;
    let more = "[limits]\ntime = \"10m\"\ncpu = \"10m\"\nconcurrency-per-caller = 1\n\
                [[component]]\nref = \"other.wasm\"\nprefix = \"other_\"\nlimits.concurrency-per-caller = 2";
    let text = configuration(&issuer, more);
    let host = Host::configured(&[("guest", &guest()), ("other", &guest())], &text).await;
    let alice = host.client().with_token(&issuer.token(|_| {}));
    let _running = start_spinning(&alice).await;
    assert_eq!(alice.call("hello", json!({})).await.status, 429);
    let message = |name: &str| {
        let params = json!({ "name": name, "arguments": {}, "_meta": { "progressToken": 1 } });
        alice.message("tools/call", params)
    };
    let mut response = alice.post(&message("other_spin")).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    assert_eq!(alice.call("other_hello", json!({})).await.text(), "hello");
    let mut second = alice.post(&message("other_spin")).send().await.unwrap();
    second.chunk().await.unwrap().unwrap();
    assert_eq!(alice.call("other_hello", json!({})).await.status, 429);
}
