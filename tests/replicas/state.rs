//! Lists, tasks, rates, request states and sessions are the same whichever replica answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster::{CALLS_PER_MINUTE, Cluster};
use crate::support::client::Revision;
use crate::support::session::Session;
use crate::support::task_client::{
    call, capabilities, get_task, request, task_id, wait_for_status,
};

const INVALID_PARAMS: i64 = -32602;

fn accept() -> Value {
    json!({ "action": "accept", "content": { "name": "Ada" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_the_same_on_all_replicas() {
    let cluster = Cluster::start("").await;
    let mut lists = BTreeSet::new();
    let mut cursors = BTreeSet::new();
    for index in 0..3 {
        let client = cluster.client_of(index, "alice");
        let mut list = client.list().await.result().clone();
        assert!(list["tools"].as_array().unwrap().len() >= 16, "{list}");
        list.as_object_mut().unwrap().remove("_meta");
        lists.insert(list.to_string());
        // The cursor is the name of the last tool of a page, on every replica.
        let next = client
            .request("tools/list", json!({ "cursor": "limited_quick" }))
            .await;
        let tools = next.result()["tools"].to_string();
        assert!(tools.contains("limited_short"), "{tools}");
        cursors.insert(tools);
    }
    assert_eq!(
        (lists.len(), cursors.len()),
        (1, 1),
        "{lists:?} {cursors:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_read_answered_and_cancelled_on_other_replicas() {
    let cluster = Cluster::start("").await;
    let [a, b, c] = std::array::from_fn(|index| cluster.client_of(index, "alice"));
    // A result, and progress before it.
    let id = task_id(&call(&a, "slow").await);
    assert_eq!(get_task(&b, &id).await["status"], "working");
    let completed = wait_for_status(&c, &id, "completed").await;
    assert_eq!(completed["result"]["content"][0]["text"], "done");
    assert_eq!(completed["statusMessage"], "half way");
    let of_owner = get_task(&a, &id).await;
    assert_eq!(of_owner["result"], completed["result"]);
    // An answer: the next `tasks/get` does not ask again.
    let id = task_id(&call(&a, "asks").await);
    let waiting = wait_for_status(&b, &id, "input_required").await;
    assert_eq!(
        waiting["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let answers = json!({ "taskId": id, "inputResponses": { "name": accept() } });
    request(&c, "tasks/update", answers.clone()).await.result();
    assert_ne!(get_task(&b, &id).await["status"], "input_required");
    let completed = wait_for_status(&b, &id, "completed").await;
    assert_eq!(
        completed["result"]["content"][0]["text"],
        accept().to_string()
    );
    // Too large an answer is refused by the replica that gets it.
    let id = task_id(&call(&a, "asks").await);
    let long = json!({ "action": "accept", "content": { "name": "x".repeat(1 << 20) } });
    let answers = json!({ "taskId": id, "inputResponses": { "name": long } });
    let refused = request(&b, "tasks/update", answers).await;
    assert_eq!(refused.message(), "an answer takes more than 1048576 bytes");
    // A cancellation.
    let id = task_id(&call(&a, "endless").await);
    request(&b, "tasks/cancel", json!({ "taskId": id }))
        .await
        .result();
    wait_for_status(&c, &id, "cancelled").await;
    // Cancelling again is accepted without effect, and so is an answer.
    request(&b, "tasks/cancel", json!({ "taskId": id }))
        .await
        .result();
    let answers = json!({ "taskId": id, "inputResponses": { "name": accept() } });
    request(&b, "tasks/update", answers).await.result();
    assert_eq!(get_task(&b, &id).await["status"], "cancelled");
    // The size of what is shared is limited.
    let id = task_id(&call(&a, "large").await);
    let failed = wait_for_status(&b, &id, "failed").await;
    let message =
        "the tool is done, but its result is too large for the state that the replicas share";
    assert_eq!(failed["error"]["message"], message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_exists_only_for_the_caller_that_created_it() {
    let cluster = Cluster::start("").await;
    let id = task_id(&call(&cluster.client_of(0, "alice"), "endless").await);
    for index in 0..3 {
        let mallory = cluster.client_of(index, "mallory");
        for (method, params) in [
            ("tasks/get", json!({})),
            ("tasks/update", json!({ "inputResponses": {} })),
            ("tasks/cancel", json!({})),
        ] {
            for id in [id.as_str(), "no-such-task"] {
                let mut params = params.clone();
                params["taskId"] = id.into();
                let answer = request(&mallory, method, params).await;
                let found = (answer.code(), answer.message());
                assert_eq!(found, (INVALID_PARAMS, "there is no such task"), "{method}");
            }
        }
    }
    assert_eq!(
        get_task(&cluster.client_of(1, "alice"), &id).await["status"],
        "working"
    );
    // Neither names nor contents can be read in Redis.
    let keys = cluster.redis.command(&["KEYS", "*"]);
    assert!(keys.contains("{toolcrib}:task:"), "{keys}");
    assert!(!keys.contains("alice") && !keys.contains(&id), "{keys}");
    let task = keys.lines().find(|key| key.contains(":task:")).unwrap();
    let stored = cluster.redis.command(&["HGETALL", task]);
    assert!(
        stored.contains("owner") && !stored.contains("working"),
        "{stored}"
    );
    // A state that Redis changed is not accepted.
    cluster
        .redis
        .command(&["HSET", task, "state", "{\"status\":\"completed\"}"]);
    let changed = request(
        &cluster.client_of(1, "alice"),
        "tasks/get",
        json!({ "taskId": id }),
    )
    .await;
    assert_eq!(changed.message(), "there is no such task");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_holds_over_all_replicas() {
    let cluster = Cluster::start("timeout = \"10s\"").await;
    for user in ["alice", "bob"] {
        let mut accepted = 0;
        for round in 0..CALLS_PER_MINUTE {
            for index in 0..3 {
                let answer = cluster
                    .client_of(index, user)
                    .call("limited_quick", json!({}))
                    .await;
                match answer.status.as_u16() {
                    200 => accepted += 1,
                    status => {
                        assert_eq!(status, 429, "{answer:?}");
                        let message = answer.message();
                        assert!(
                            message.starts_with("too many calls"),
                            "round {round}: {answer:?}"
                        );
                        let seconds: u64 = answer.header("retry-after").parse().unwrap();
                        assert!((1..=6).contains(&seconds), "{seconds}");
                    }
                }
            }
        }
        // A slow machine takes some of the five seconds in which one more call is allowed.
        let limits = CALLS_PER_MINUTE..CALLS_PER_MINUTE + 3;
        assert!(limits.contains(&accepted), "{user}: {accepted}");
    }
    // Other components have no rate.
    for _ in 0..2 * CALLS_PER_MINUTE {
        let answer = cluster.client("alice").call("quick", json!({})).await;
        assert_eq!(answer.text(), "done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_asks_its_client_goes_on_on_another_replica() {
    let cluster = Cluster::start("").await;
    let mut params = json!({ "name": "asks_at_once", "arguments": {} });
    let asked = request(&cluster.client_of(0, "alice"), "tools/call", params.clone()).await;
    assert_eq!(asked.result()["resultType"], "input_required");
    params["requestState"] = asked.result()["requestState"].clone();
    params["inputResponses"] = json!({ "name": accept() });
    let answered = request(&cluster.client_of(1, "alice"), "tools/call", params.clone()).await;
    assert_eq!(answered.text(), accept().to_string());
    let refused = request(&cluster.client_of(2, "mallory"), "tools/call", params).await;
    assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
}

/// The proxy finds the replica of a session; other replicas do not know it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_routed_to_their_replica() {
    let mut cluster = Cluster::start("").await;
    let mut client = cluster.client("alice");
    client.revision = Revision::November2025;
    let mut prefixes = BTreeSet::new();
    let mut last = None;
    for _ in 0..6 {
        let session = Session::open(client.clone(), capabilities()).await;
        prefixes.insert(session.id[..2].to_owned());
        for _ in 0..4 {
            let params = json!({ "name": "quick", "arguments": {} });
            let (_, response) = session
                .converse("tools/call", params, |_| Value::Null)
                .await;
            assert_eq!(
                response["result"]["content"][0]["text"], "done",
                "{response}"
            );
        }
        last = Some(session);
    }
    let expected = ["a.", "b.", "c."].map(str::to_owned);
    assert_eq!(prefixes, BTreeSet::from(expected));
    let session = last.unwrap();
    let owner = ["a.", "b.", "c."]
        .iter()
        .position(|name| session.id.starts_with(name));
    let owner = owner.unwrap();
    let list = client.message("tools/list", json!({}));
    let without_prefix = session.id[2..].to_owned();
    for index in 0..3 {
        let mut direct = cluster.client_of(index, "alice");
        direct.revision = client.revision;
        for (id, is_found) in [(&session.id, index == owner), (&without_prefix, false)] {
            let answer = direct.post(&list).header("mcp-session-id", id).send();
            let expected = if is_found { 200 } else { 404 };
            assert_eq!(answer.await.unwrap().status(), expected, "{index} {id}");
        }
    }
    cluster.stop_replica(owner).await;
    let gone = session.post(&list).send().await.unwrap();
    assert_eq!(gone.status(), 404, "the client begins anew");
    Session::open(client, capabilities()).await;
}
