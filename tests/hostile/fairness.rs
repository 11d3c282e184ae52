//! While guests spin in every place, the rest of the host answers as if they were not there.

use std::time::{Duration, Instant};

use serde_json::json;
use toolcrib::config::Config;

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Guests that spin, and the places that they take.
const SPINNING: u32 = 32;
/// How long what runs no guest may take at the median, on a machine that has nothing else to do; where it has, in so
/// many times what it takes alone.
const PROMPT: Duration = Duration::from_millis(100);
const MAX_SLOWER: u32 = 20;

fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $spin)",
    );
    guest
}

fn endless(config: &mut Config, places: u32) {
    config.server.max_concurrent_calls = places;
    config.limits.concurrency = SPINNING;
    config.limits.time = Duration::from_secs(600);
    config.limits.cpu = Duration::from_secs(600);
}

/// Starts so many that spin, and waits until each of them runs.
async fn spinning(host: &Host) -> Vec<reqwest::Response> {
    let client = host.client();
    let calls = (0..SPINNING).map(async |_| {
        let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
        let message = client.message("tools/call", params);
        let mut response = client.post(&message).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.chunk().await.unwrap().unwrap();
        response
    });
    futures::future::join_all(calls).await
}

/// The median of what `asks` takes.
async fn median(mut asks: impl AsyncFnMut()) -> Duration {
    let mut took = Vec::new();
    for _ in 0..30 {
        let begun = Instant::now();
        asks().await;
        took.push(begun.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

/// Every place is taken: health and lists answer at once, calls are refused with the time to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_is_taken() {
    let host = Host::start(&[("guest", &guest())], |config| endless(config, SPINNING)).await;
    let client = host.client();
    let asks = async |path: &str| {
        let answer = client.http.get(host.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    let alone = median(async || asks("/healthz").await).await;
    let calls = spinning(&host).await;
    let most = PROMPT.max(alone * MAX_SLOWER);
    for path in ["/healthz", "/readyz"] {
        let took = median(async || asks(path).await).await;
        assert!(took < most, "{path}: {took:?}, alone {alone:?}");
    }
    let took = median(async || assert_eq!(client.list().await.status, 200)).await;
    assert!(took < most, "tools/list: {took:?}, alone {alone:?}");
    let refused = client.call("hello", json!({})).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    drop(calls);
}

/// There are places left: a light tool of another component answers as if nobody span, and one of the same component
/// does when it has a place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn light_calls() {
    let light = Guest::saying("light", "light");
    let host = Host::start(&[("guest", &guest()), ("light", &light)], |config| {
        endless(config, SPINNING + 2);
        config.limits.concurrency = SPINNING + 1;
    })
    .await;
    let client = host.client();
    let call = async |tool: &str| {
        let answer = client.call(tool, json!({})).await;
        answer.text().to_owned()
    };
    let alone = median(async || assert_eq!(call("light").await, "light")).await;
    let calls = spinning(&host).await;
    let most = PROMPT.max(alone * MAX_SLOWER);
    for (tool, text) in [("light", "light"), ("hello", "hello")] {
        let took = median(async || assert_eq!(call(tool).await, text)).await;
        assert!(took < most, "{tool}: {took:?}, alone {alone:?}");
    }
    drop(calls);
}
