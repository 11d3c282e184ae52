//! Limits of tasks: their number, lifetime and memory.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{INTERNAL_ERROR, INVALID_PARAMS, guest};
use crate::support::server::Host;
use crate::support::task_client::{call, request, task_id, wait_for_status};

/// The host's limit on kept tasks of one caller.
const MAX_TASKS_PER_CALLER: usize = 64;

/// Calls that need not be tasks are answered as without tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_per_caller_are_limited() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    for _ in 0..MAX_TASKS_PER_CALLER {
        let id = task_id(&call(&client, "required").await);
        wait_for_status(&client, &id, "completed").await;
    }
    let refused = call(&client, "required").await;
    assert!(refused.failure().contains("too many tasks"), "{refused:?}");
    assert_eq!(call(&client, "slow").await.text(), "done");
}

/// Expired tasks are removed without being polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_expire() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.task_ttl = Duration::from_secs(3);
        config.limits.time = Duration::from_secs(1);
    })
    .await;
    let client = host.client();
    let waiting = task_id(&call(&client, "asks_later").await);
    let mut task_ids = Vec::new();
    for _ in 1..MAX_TASKS_PER_CALLER {
        let created = call(&client, "required").await;
        assert_eq!(created.result()["ttlMs"], 4_000, "{created:?}");
        task_ids.push(task_id(&created));
    }
    wait_for_status(&client, &task_ids[0], "completed").await;
    call(&client, "required").await.failure();
    let started = Instant::now();
    while call(&client, "required").await.result()["resultType"] != "task" {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "no task expired"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        started.elapsed() > Duration::from_secs(2),
        "a task expired too early"
    );
    let expired = request(&client, "tasks/get", json!({ "taskId": task_ids[0] })).await;
    assert_eq!(
        (expired.code(), expired.message()),
        (INVALID_PARAMS, "there is no such task")
    );
    // A task that waits for an answer fails first, and the failure is kept for the same time.
    let failed = wait_for_status(&client, &waiting, "failed").await;
    assert_eq!(failed["error"]["code"], INTERNAL_ERROR, "{failed}");
}

/// A task without a result counts as the largest possible result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_results_is_limited_per_caller() {
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.output_bytes = 100 << 20;
    })
    .await;
    let client = host.client();
    let first = task_id(&call(&client, "asks_later").await);
    task_id(&call(&client, "asks_later").await);
    let refused = call(&client, "required").await;
    assert!(
        refused.failure().contains("their results are too large"),
        "{refused:?}"
    );
    // Other calls are answered as without tasks.
    assert_eq!(call(&client, "slow").await.text(), "done");
    wait_for_status(&client, &first, "input_required").await;
    request(&client, "tasks/cancel", json!({ "taskId": first })).await;
    wait_for_status(&client, &first, "cancelled").await;
    for _ in 0..3 {
        let id = task_id(&call(&client, "required").await);
        wait_for_status(&client, &id, "completed").await;
    }

    let host = Host::of(&guest).await;
    let client = host.client();
    for status in ["completed", "completed", "failed"] {
        let state = wait_for_status(&client, &task_id(&call(&client, "large").await), status).await;
        if status == "failed" {
            let message = "the tool is done, but its result is too large to be kept beside those of \
                        other tasks";
            assert_eq!(state["error"]["message"], message);
        }
    }
    let id = task_id(&call(&client, "required").await);
    wait_for_status(&client, &id, "completed").await;

    // Tasks that wait for answers count with the size of the possible answers.
    let host = Host::of(&guest).await;
    let client = host.client();
    for _ in 0..12 {
        let id = task_id(&call(&client, "asks_sixteen").await);
        wait_for_status(&client, &id, "input_required").await;
    }
    let id = task_id(&call(&client, "asks_sixteen").await);
    let completed = wait_for_status(&client, &id, "completed").await;
    let message = "too many calls wait for answers already; answer those first";
    assert_eq!(completed["result"]["content"][0]["text"], message);
}
