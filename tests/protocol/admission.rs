//! Admission of calls over HTTP: concurrency limits, rate limits, and clients that disconnect.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{spinning_guest, start_spinning};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::Guest;
use crate::support::server::Host;

/// Repeats a call until it is admitted. The host delays each refusal, so there is no need to sleep.
async fn wait_until_admitted(client: &Client, tool: &str) {
    let started = Instant::now();
    loop {
        let answer = client.call(tool, json!({})).await;
        if answer.status == 200 {
            assert_eq!(answer.text(), "hello");
            return;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "call permit was not released within 10 s"
        );
    }
}

fn assert_saturated(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.last()["id"], 1);
    assert!(answer.message().contains("try again in 1 s"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_concurrency_limit_applies_per_component_and_not_to_lists() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(
        &[("guest", &spinning_guest()), ("other", &other)],
        |config| {
            config.limits.concurrency = 1;
        },
    )
    .await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let running = start_spinning(&client).await;
        assert_saturated(&client.call("hello", json!({})).await);
        assert_eq!(client.call("other", json!({})).await.text(), "hello");
        assert_eq!(client.list().await.status, 200);
        assert_eq!(client.call("nothing", json!({})).await.code(), -32602);
        drop(running);
        wait_until_admitted(&client, "hello").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_limits_concurrent_calls_of_all_components() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(
        &[("guest", &spinning_guest()), ("other", &other)],
        |config| {
            config.server.max_concurrent_calls = 1;
        },
    )
    .await;
    let client = host.client();
    let running = start_spinning(&client).await;
    assert_saturated(&client.call("other", json!({})).await);
    drop(running);
    wait_until_admitted(&client, "other").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_stops_the_call_before_and_during_the_response() {
    let host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.limits.concurrency = 1;
        // The call must not end by a limit.
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
    })
    .await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        drop(start_spinning(&client).await);
        wait_until_admitted(&client, "hello").await;

        // The client disconnects before the first byte of the response.
        let message = client.message(
            "tools/call",
            json!({ "name": "spin-silently", "arguments": {} }),
        );
        let request = client.post(&message).timeout(Duration::from_millis(300));
        assert!(request.send().await.unwrap_err().is_timeout());
        wait_until_admitted(&client, "hello").await;
    }
}

#[tokio::test]
async fn calls_above_the_rate_limit_are_answered_429_with_retry_after() {
    let other = Guest::saying("other", "hello");
    let host = Host::start(
        &[("guest", &spinning_guest()), ("other", &other)],
        |config| {
            config.limits.calls_per_minute = NonZeroU32::new(3);
        },
    )
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

    // Calls of unknown tools are not rate-limited.
    let host = Host::of(&spinning_guest()).await;
    let calls = (0..100).map(async |_| host.client().call("nothing", json!({})).await.status);
    assert!(
        futures::future::join_all(calls)
            .await
            .iter()
            .all(|status| *status == 200)
    );
}
