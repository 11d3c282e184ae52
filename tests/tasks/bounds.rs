//! How many tasks there are, how long they live, and what they take.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{INTERNAL_ERROR, INVALID_PARAMS, call, guest, request, settled, task};
use crate::support::server::Host;

/// Tasks of one caller that are kept.
const MAX_TASKS_PER_CALLER: usize = 64;

/// A caller keeps so many tasks; after that, calls are waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounded() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    for _ in 0..MAX_TASKS_PER_CALLER {
        let id = task(&call(&client, "required").await);
        settled(&client, &id, "completed").await;
    }
    let refused = call(&client, "required").await;
    assert!(refused.failure().contains("too many tasks"), "{refused:?}");
    assert_eq!(call(&client, "slow").await.text(), "done");
}

/// What has expired is forgotten without anybody asking for a task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.task_ttl = Duration::from_secs(3);
        config.limits.time = Duration::from_secs(1);
    })
    .await;
    let client = host.client();
    let waits = task(&call(&client, "asks_later").await);
    let mut done = Vec::new();
    for _ in 1..MAX_TASKS_PER_CALLER {
        let began = call(&client, "required").await;
        assert_eq!(began.result()["ttlMs"], 4_000, "{began:?}");
        done.push(task(&began));
    }
    settled(&client, &done[0], "completed").await;
    call(&client, "required").await.failure();
    let begun = Instant::now();
    while call(&client, "required").await.result()["resultType"] != "task" {
        assert!(begun.elapsed() < Duration::from_secs(15), "nothing expires");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "too early");
    let gone = request(&client, "tasks/get", json!({ "taskId": done[0] })).await;
    assert_eq!(
        (gone.code(), gone.message()),
        (INVALID_PARAMS, "there is no such task")
    );
    // What waits for an answer fails first, and that is kept as long.
    let failed = settled(&client, &waits, "failed").await;
    assert_eq!(failed["error"]["code"], INTERNAL_ERROR, "{failed}");
}

/// Results take memory, of which a caller has its part. What may still become a result counts as the largest that it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.output_bytes = 100 << 20;
    })
    .await;
    let client = host.client();
    let first = task(&call(&client, "asks_later").await);
    task(&call(&client, "asks_later").await);
    let refused = call(&client, "required").await;
    assert!(
        refused.failure().contains("their results are too large"),
        "{refused:?}"
    );
    // Who has no room waits, as without tasks.
    assert_eq!(call(&client, "slow").await.text(), "done");
    settled(&client, &first, "input_required").await;
    request(&client, "tasks/cancel", json!({ "taskId": first })).await;
    settled(&client, &first, "cancelled").await;
    for _ in 0..3 {
        let id = task(&call(&client, "required").await);
        settled(&client, &id, "completed").await;
    }

    let host = Host::of(&guest).await;
    let client = host.client();
    for status in ["completed", "completed", "failed"] {
        let state = settled(&client, &task(&call(&client, "large").await), status).await;
        if status == "failed" {
            let says = "the tool is done, but its result is too large to be kept beside those of \
                        other tasks";
            assert_eq!(state["error"]["message"], says);
        }
    }
    let id = task(&call(&client, "required").await);
    settled(&client, &id, "completed").await;

    // Who waits for an answer keeps room for it.
    let host = Host::of(&guest).await;
    let client = host.client();
    for _ in 0..12 {
        let id = task(&call(&client, "asks_sixteen").await);
        settled(&client, &id, "input_required").await;
    }
    let id = task(&call(&client, "asks_sixteen").await);
    let done = settled(&client, &id, "completed").await;
    let says = "too many calls wait for answers already; answer those first";
    assert_eq!(done["result"]["content"][0]["text"], says);
}
