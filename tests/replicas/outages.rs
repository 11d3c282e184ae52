//! Redis stops, hangs, and comes back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::{CALLS_PER_MINUTE, Cluster};
use crate::support::redis::Redis;
use crate::support::task_client::{call, request, task_id, wait_for_status};

const INTERNAL_ERROR: i64 = -32603;
const AWAY: &str = "the state that the replicas share cannot be reached now; try again later";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_while_redis_is_away() {
    let mut cluster = Cluster::start("").await;
    let client = cluster.client_of(0, "alice");
    let running = task_id(&call(&client, "endless").await);
    let done = task_id(&call(&client, "task").await);
    wait_for_status(&client, &done, "completed").await;
    cluster.wait_until_away(false).await;
    let port = cluster.redis.port;
    cluster.redis.kill();
    cluster.wait_until_away(true).await;

    // Other calls go on, and a tool that may be a task answers its client.
    let through_proxy = cluster.client("alice");
    assert_eq!(call(&through_proxy, "quick").await.text(), "done");
    assert_eq!(call(&through_proxy, "slow").await.text(), "done");
    // Tasks are refused.
    let refused = call(&through_proxy, "task").await;
    assert_eq!(
        refused.failure(),
        format!("there can be no task now: {AWAY}")
    );
    for (method, params) in [
        ("tasks/get", json!({ "taskId": running })),
        (
            "tasks/update",
            json!({ "taskId": running, "inputResponses": {} }),
        ),
        ("tasks/cancel", json!({ "taskId": running })),
    ] {
        let refused = request(&through_proxy, method, params).await;
        let found = (refused.code(), refused.message());
        assert_eq!(found, (INTERNAL_ERROR, AWAY), "{method}");
    }
    // Each replica allows its part of the rate.
    for index in 0..3 {
        let client = cluster.client_of(index, "bob");
        let mut accepted = 0;
        for _ in 0..CALLS_PER_MINUTE {
            let answer = client.call("limited_quick", json!({})).await;
            accepted += usize::from(answer.status == 200);
        }
        let part = CALLS_PER_MINUTE / 3;
        assert!((part..part + 2).contains(&accepted), "{index}: {accepted}");
    }

    // A Redis without the old data: the replica that runs the task, and has the result, writes both again.
    cluster.redis = Redis::with(&["--port", &port.to_string()]);
    cluster.wait_until_away(false).await;
    let other = cluster.client_of(1, "alice");
    let completed = wait_for_status_or_unknown(&other, &done, "completed").await;
    assert_eq!(completed["result"]["content"][0]["text"], "done");
    wait_for_status_or_unknown(&other, &running, "working").await;
    request(&other, "tasks/cancel", json!({ "taskId": running }))
        .await
        .result();
    wait_for_status(&other, &running, "cancelled").await;
    assert_eq!(call(&other, "limited_quick").await.text(), "done");
}

/// Waits for the status of a task that is unknown until its owner has written it again.
async fn wait_for_status_or_unknown(
    client: &crate::support::client::Client,
    id: &str,
    status: &str,
) -> serde_json::Value {
    let started = Instant::now();
    loop {
        let answer = request(client, "tasks/get", json!({ "taskId": id })).await;
        if answer.last()["result"]["status"] == status {
            return answer.result().clone();
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first calls wait for the time-out; then none does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_each_wait_for_a_redis_that_hangs() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let cluster = Cluster::start("timeout = \"3s\"").await;
    let client = cluster.client_of(0, "alice");
    assert_eq!(call(&client, "limited_quick").await.text(), "done");
    cluster.redis.signal("-STOP");
    let started = Instant::now();
    assert_eq!(call(&client, "limited_quick").await.text(), "done");
    assert!(started.elapsed() < 2 * TIMEOUT, "{:?}", started.elapsed());
    cluster.wait_until_away(true).await;
    // As many as this replica allows alone.
    let started = Instant::now();
    for _ in 0..CALLS_PER_MINUTE / 3 - 1 {
        assert_eq!(call(&client, "limited_quick").await.text(), "done");
    }
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(call(&client, "limited_quick").await.status, 429);
    cluster.redis.signal("-CONT");
    cluster.wait_until_away(false).await;
    assert_eq!(call(&client, "limited_quick").await.text(), "done");
}
