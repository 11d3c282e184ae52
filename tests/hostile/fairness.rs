//! Fairness: while guests use all CPU time and call slots, the host keeps answering everything else.

use std::time::{Duration, Instant};

use serde_json::json;
use toolcrib::config::Config;

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Number of concurrent calls that spin.
const SPINNING_CALLS: u32 = 32;
/// The median latency while the spinning calls run may be up to this value, or up to [`MAX_SLOWDOWN`] times the latency
/// without them, whichever is larger. The second bound is for busy machines.
const MAX_LATENCY: Duration = Duration::from_millis(100);
const MAX_SLOWDOWN: u32 = 20;

fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $spin)",
    );
    guest
}

/// Configures this number of call slots, and limits that no call of the tests reaches.
fn configure(config: &mut Config, call_slots: u32) {
    config.server.max_concurrent_calls = call_slots;
    config.limits.concurrency = SPINNING_CALLS;
    config.limits.time = Duration::from_secs(600);
    config.limits.cpu = Duration::from_secs(600);
}

/// Starts [`SPINNING_CALLS`] calls that spin and waits until each of them runs.
async fn start_spinning(host: &Host) -> Vec<reqwest::Response> {
    let client = host.client();
    let calls = (0..SPINNING_CALLS).map(async |_| {
        let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
        let message = client.message("tools/call", params);
        let mut response = client.post(&message).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.chunk().await.unwrap().unwrap();
        response
    });
    futures::future::join_all(calls).await
}

/// Returns the median latency of `request`.
async fn median_latency(mut request: impl AsyncFnMut()) -> Duration {
    let mut latencies = Vec::new();
    for _ in 0..30 {
        let started = Instant::now();
        request().await;
        latencies.push(started.elapsed());
    }
    latencies.sort();
    latencies[latencies.len() / 2]
}

/// With all call slots taken, health checks and lists stay fast, and further calls are rejected with `Retry-After`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_lists_stay_fast_when_all_call_slots_are_taken() {
    let host = Host::start(&[("guest", &guest())], |config| {
        configure(config, SPINNING_CALLS)
    })
    .await;
    let client = host.client();
    let get = async |path: &str| {
        let answer = client.http.get(host.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    let baseline = median_latency(async || get("/healthz").await).await;
    let calls = start_spinning(&host).await;
    let max_latency = MAX_LATENCY.max(baseline * MAX_SLOWDOWN);
    for path in ["/healthz", "/readyz"] {
        let latency = median_latency(async || get(path).await).await;
        assert!(
            latency < max_latency,
            "{path}: {latency:?}, without the spinning calls {baseline:?}"
        );
    }
    let latency = median_latency(async || assert_eq!(client.list().await.status, 200)).await;
    assert!(
        latency < max_latency,
        "tools/list: {latency:?}, without the spinning calls {baseline:?}"
    );
    let rejected = client.call("hello", json!({})).await;
    assert_eq!(rejected.status, 503, "{rejected:?}");
    assert_eq!(rejected.header("retry-after"), "1");
    drop(calls);
}

/// With call slots left, light tools stay fast, in another component and in the component that spins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn light_calls_stay_fast_while_others_spin() {
    let light = Guest::saying("light", "light");
    let host = Host::start(&[("guest", &guest()), ("light", &light)], |config| {
        configure(config, SPINNING_CALLS + 2);
        config.limits.concurrency = SPINNING_CALLS + 1;
    })
    .await;
    let client = host.client();
    let call = async |tool: &str| {
        let answer = client.call(tool, json!({})).await;
        answer.text().to_owned()
    };
    let baseline = median_latency(async || assert_eq!(call("light").await, "light")).await;
    let calls = start_spinning(&host).await;
    let max_latency = MAX_LATENCY.max(baseline * MAX_SLOWDOWN);
    for (tool, text) in [("light", "light"), ("hello", "hello")] {
        let latency = median_latency(async || assert_eq!(call(tool).await, text)).await;
        assert!(
            latency < max_latency,
            "{tool}: {latency:?}, without the spinning calls {baseline:?}"
        );
    }
    drop(calls);
}
