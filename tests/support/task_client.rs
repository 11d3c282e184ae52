//! A client that supports tasks, and tools that run as tasks.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::guest::Tool;

/// A tool that runs only as a task.
pub(crate) fn as_task(name: &str) -> Tool {
    Tool {
        meta: Some(r#"{"toolcrib/task":"required"}"#.into()),
        ..Tool::new(name)
    }
}

/// The capabilities of a client with tasks and elicitation.
pub(crate) fn capabilities() -> Value {
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// Sends a request of a client that supports tasks.
pub(crate) async fn request(client: &Client, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities() });
    client.request(method, params).await
}

pub(crate) async fn call(client: &Client, tool: &str) -> Answer {
    request(
        client,
        "tools/call",
        json!({ "name": tool, "arguments": {} }),
    )
    .await
}

/// Returns the id of the task that was created for a call.
pub(crate) fn task_id(answer: &Answer) -> String {
    let result = answer.result();
    assert_eq!(result["resultType"], "task", "{answer:?}");
    result["taskId"].as_str().unwrap().to_owned()
}

/// Sends `tasks/get`.
pub(crate) async fn get_task(client: &Client, task_id: &str) -> Value {
    let answer = request(client, "tasks/get", json!({ "taskId": task_id })).await;
    answer.result().clone()
}

/// Polls a task until it has this status.
pub(crate) async fn wait_for_status(client: &Client, task_id: &str, status: &str) -> Value {
    let start = Instant::now();
    loop {
        let task = get_task(client, task_id).await;
        if task["status"] == status {
            return task;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{task}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
