//! The extension `io.modelcontextprotocol/tasks`: clients that declare it poll for the results of long calls.

mod limits;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::Access;

use crate::support::client::Revision;
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::{Host, load_problems};
use crate::support::task_client::{as_task, call, get_task, request, task_id, wait_for_status};

const INVALID_PARAMS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;
const MISSING_CAPABILITY: i64 = -32021;

/// A guest with quick and slow tools, and with slow tools that ask the client.
fn guest() -> Guest {
    let mut guest = Guest::new();
    guest.import(
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
    );
    guest.item(
        "(func $sleep (param $ms i64)
           (call $block (call $timer (i64.mul (local.get $ms) (i64.const 1000000)))))",
    );
    let text = guest.string("done");
    let return_done = format!("(call $text {text})");
    guest.tool(Tool::new("quick"), return_done.clone());
    let half = guest.string("half way");
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {half})
             (call $sleep (i64.const 900)) {return_done}"
        ),
    );
    guest.tool(
        Tool::new("endless"),
        "(loop $on (call $sleep (i64.const 1000)) (br $on)) (unreachable)",
    );
    guest.tool(Tool::new("spins"), "(call $spin)");
    guest.tool(
        Tool::new("crashes"),
        "(call $sleep (i64.const 700)) (unreachable)",
    );
    let message = guest.string("no");
    guest.tool(
        Tool::new("fails"),
        format!("(call $sleep (i64.const 700)) (call $failed {message})"),
    );
    let form = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{}}}"#;
    let ask = guest.questions(&[["name", "elicitation/create", form]]);
    let answer = "(call $text (call $answer (local.get $answers) (i32.const 0)))";
    guest.tool(
        Tool::new("asks_later"),
        format!(
            "(if (i32.eqz (local.get $answers_len))
               (then (call $sleep (i64.const 700)) (return {ask})))
             {answer}"
        ),
    );
    guest.tool(
        Tool::new("asks_first"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {ask})))
             (call $sleep (i64.const 700)) {answer}"
        ),
    );
    // An array of many small items: once parsed, it takes a hundred megabytes.
    let items = 1_300_000;
    guest.tool(
        as_task("large"),
        format!(
            "(local $start i32) (local $at i32) (local $end i32)
             (local.set $start (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4000000)))
             (i32.store8 (local.get $start) (i32.const 0x5b))
             (local.set $at (i32.add (local.get $start) (i32.const 1)))
             (local.set $end (i32.add (local.get $at) (i32.const {length})))
             (loop $more
               (i32.store (local.get $at) (i32.const 0x2c5d5b))
               (local.set $at (i32.add (local.get $at) (i32.const 3)))
               (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
             (i32.store8 (i32.sub (local.get $end) (i32.const 1)) (i32.const 0x5d))
             (call $structured (local.get $start) (i32.sub (local.get $end) (local.get $start)))",
            length = 3 * items,
        ),
    );
    let ask_again = guest.questions_with(&[["name", "elicitation/create", form]], "once");
    guest.tool(
        as_task("asks_twice"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {ask})))
             (if (i32.eqz (local.get $state)) (then (return {ask_again})))
             {answer}"
        ),
    );
    guest.tool(as_task("always_asks"), ask);
    let keys: Vec<_> = (0..16).map(|n| format!("q{n:02}")).collect();
    let sixteen: Vec<[&str; 3]> = keys
        .iter()
        .map(|key| [key.as_str(), "elicitation/create", form])
        .collect();
    let sixteen = guest.questions(&sixteen);
    guest.tool(as_task("asks_sixteen"), sixteen);
    for mode in ["required", "never"] {
        let tool = Tool {
            meta: Some(json!({ "toolcrib/task": mode }).to_string()),
            ..Tool::new(mode)
        };
        let ms = if mode == "never" { 700 } else { 5 };
        guest.tool(
            tool,
            format!("(call $sleep (i64.const {ms})) {return_done}"),
        );
    }
    guest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_call_becomes_a_task() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let discovered = client.request("server/discover", json!({})).await;
    let extensions = &discovered.result()["capabilities"]["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object());

    assert_eq!(call(&client, "quick").await.text(), "done");
    let created = call(&client, "slow").await;
    let id = task_id(&created);
    let result = created.result();
    assert_eq!(result["status"], "working");
    for field in ["createdAt", "lastUpdatedAt"] {
        assert!(result[field].is_string(), "{result}");
    }
    assert!(result["ttlMs"].as_u64().unwrap() >= 60_000, "{result}");
    assert!(result["pollIntervalMs"].is_u64(), "{result}");
    assert_eq!(result.get("requestState"), None);
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "toolcrib");
    let working = get_task(&client, &id).await;
    assert_eq!(
        (&working["status"], working.get("result")),
        (&json!("working"), None)
    );
    let completed = wait_for_status(&client, &id, "completed").await;
    assert_eq!(
        completed["result"]["content"][0]["text"], "done",
        "{completed}"
    );
    // Progress that was reported before the call became a task.
    assert_eq!(completed["statusMessage"], "half way");
    // A completed task can be read again.
    assert_eq!(get_task(&client, &id).await["status"], "completed");

    // An error result completes the task; a crash fails it.
    let failed = wait_for_status(
        &client,
        &task_id(&call(&client, "fails").await),
        "completed",
    )
    .await;
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    let crashed =
        wait_for_status(&client, &task_id(&call(&client, "crashes").await), "failed").await;
    assert_eq!(crashed["error"]["code"], INTERNAL_ERROR, "{crashed}");
    let message = crashed["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the tool crashed; the host's log"),
        "{message}"
    );
    assert_eq!(crashed.get("result"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_tasks_wait_for_the_result() {
    let host = Host::of(&guest()).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        let answer = client.call_with_progress("slow", json!(7)).await;
        assert_eq!(answer.text(), "done");
        let progress = answer.notifications("notifications/progress");
        assert_eq!(progress[0]["message"], "half way", "{answer:?}");
    }
    let client = host.client();
    assert_eq!(call(&client, "never").await.text(), "done");
    for (method, params) in [
        ("tasks/get", json!({ "taskId": "x" })),
        (
            "tasks/update",
            json!({ "taskId": "x", "inputResponses": {} }),
        ),
        ("tasks/cancel", json!({ "taskId": "x" })),
    ] {
        let answer = client.request(method, params).await;
        assert_eq!(answer.code(), MISSING_CAPABILITY, "{method}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_require_tasks_refuse_other_clients() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let id = task_id(&call(&client, "required").await);
    let completed = wait_for_status(&client, &id, "completed").await;
    assert_eq!(completed["result"]["content"][0]["text"], "done");
    let refused = client.call("required", json!({})).await;
    assert_eq!(refused.code(), MISSING_CAPABILITY);
    let required = &refused.last()["error"]["data"]["requiredCapabilities"]["extensions"];
    assert!(
        required["io.modelcontextprotocol/tasks"].is_object(),
        "{refused:?}"
    );
    for revision in [Revision::June2025, Revision::November2025] {
        let refused = host.client_of(revision).call("required", json!({})).await;
        assert_eq!(
            refused.failure(),
            "the tool runs only as a task, which this client does not support"
        );
    }
    let tool = Tool {
        meta: Some(r#"{"toolcrib/task":"sometimes"}"#.into()),
        ..Tool::new("odd")
    };
    let errors = load_problems(&Guest::with(tool, "(unreachable)")).await;
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("`auto`, `required` or `never`"),
        "{errors:?}"
    );
}

/// The component admits only one call at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_task_stops_its_guest_and_releases_the_permit() {
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| config.limits.concurrency = 1).await;
    let client = host.client();
    for tool in ["endless", "spins"] {
        let id = task_id(&call(&client, tool).await);
        // The task holds the only permit.
        assert_eq!(call(&client, "quick").await.status, 503);
        let ack = request(&client, "tasks/cancel", json!({ "taskId": id })).await;
        assert_eq!(ack.result()["resultType"], "complete");
        assert_eq!(ack.result().get("status"), None);
        let state = wait_for_status(&client, &id, "cancelled").await;
        assert_eq!(state.get("result"), None, "{state}");
        assert_eq!(call(&client, "quick").await.text(), "done");
        // Cancelling again is accepted without effect.
        let ack = request(&client, "tasks/cancel", json!({ "taskId": id })).await;
        assert_eq!(ack.result()["resultType"], "complete");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_can_ask_the_client() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let update = |id: String, answers: Value| {
        let client = client.clone();
        async move {
            let params = json!({ "taskId": id, "inputResponses": answers });
            request(&client, "tasks/update", params).await
        }
    };
    let accept = json!({ "action": "accept", "content": { "name": "Ada" } });
    // The call asks after it became a task.
    let id = task_id(&call(&client, "asks_later").await);
    let waiting = wait_for_status(&client, &id, "input_required").await;
    assert_eq!(
        waiting["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let ack = update(id.clone(), json!({ "unknown": accept })).await;
    assert_eq!(ack.result()["resultType"], "complete");
    assert_eq!(get_task(&client, &id).await["status"], "input_required");
    update(id.clone(), json!({ "name": accept })).await;
    let completed = wait_for_status(&client, &id, "completed").await;
    assert_eq!(
        completed["result"]["content"][0]["text"],
        accept.to_string()
    );
    // The size of an answer is limited.
    let id = task_id(&call(&client, "asks_later").await);
    wait_for_status(&client, &id, "input_required").await;
    let long = json!({ "action": "accept", "content": { "name": "x".repeat(1 << 20) } });
    let refused = update(id.clone(), json!({ "name": long })).await;
    assert_eq!(
        (refused.code(), refused.message()),
        (INVALID_PARAMS, "an answer takes more than 1048576 bytes")
    );
    assert_eq!(get_task(&client, &id).await["status"], "input_required");
    // A malformed answer ends the task with an error result.
    let id = task_id(&call(&client, "asks_later").await);
    wait_for_status(&client, &id, "input_required").await;
    update(id.clone(), json!({ "name": 5 })).await;
    let completed = wait_for_status(&client, &id, "completed").await;
    assert_eq!(completed["result"]["isError"], true, "{completed}");
    // The call asks before it becomes a task: a round first, then a task.
    let pending = call(&client, "asks_first").await;
    assert_eq!(pending.result()["resultType"], "input_required");
    let params = json!({
        "name": "asks_first", "arguments": {},
        "inputResponses": { "name": accept }, "requestState": pending.result()["requestState"],
    });
    let id = task_id(&request(&client, "tools/call", params).await);
    let completed = wait_for_status(&client, &id, "completed").await;
    assert_eq!(
        completed["result"]["content"][0]["text"],
        accept.to_string()
    );
    // A question that the client cannot answer fails the task.
    let mut params = json!({ "name": "asks_later", "arguments": {} });
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": {
        "extensions": { "io.modelcontextprotocol/tasks": {} },
    } });
    let id = task_id(&client.request("tools/call", params).await);
    let failed = wait_for_status(&client, &id, "failed").await;
    assert_eq!(failed["error"]["code"], MISSING_CAPABILITY, "{failed}");
}

/// A repeated question receives a new key. Tasks have the same limit on rounds as other calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_can_repeat_a_question_within_the_round_limit() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let accept = |name: &str| json!({ "action": "accept", "content": { "name": name } });
    for (tool, rounds, last) in [
        ("asks_twice", 2, accept("2").to_string()),
        (
            "always_asks",
            16,
            "the tool asked its questions in more than 16 rounds".into(),
        ),
    ] {
        let id = task_id(&call(&client, tool).await);
        for round in 1..=rounds {
            let key = match round {
                1 => "name".to_owned(),
                round => format!("name#{round}"),
            };
            loop {
                let waiting = wait_for_status(&client, &id, "input_required").await;
                if waiting["inputRequests"][&key].is_object() {
                    break;
                }
            }
            let answers = json!({ key: accept(&round.to_string()) });
            let params = json!({ "taskId": id, "inputResponses": answers });
            request(&client, "tasks/update", params).await.result();
        }
        let completed = wait_for_status(&client, &id, "completed").await;
        assert_eq!(
            completed["result"]["content"][0]["text"], last,
            "{completed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_exists_only_for_the_caller_that_created_it() {
    let issuer = Issuer::start().await;
    let mut guard_config = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard_config.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.access = Access::Guarded(Box::new(guard_config));
    })
    .await;
    let client_of = |subject: &str, client_id: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = subject.into();
            claims["client_id"] = client_id.into();
        });
        host.client().with_token(&token)
    };
    let alice = client_of("alice", "app");
    let id = task_id(&call(&alice, "endless").await);
    for other in [client_of("mallory", "app"), client_of("alice", "other")] {
        for (method, params) in [
            ("tasks/get", json!({})),
            ("tasks/update", json!({ "inputResponses": {} })),
            ("tasks/cancel", json!({})),
        ] {
            let mut messages = Vec::new();
            for id in [id.as_str(), "no-such-task"] {
                let mut params = params.clone();
                params["taskId"] = id.into();
                let answer = request(&other, method, params).await;
                assert_eq!(answer.code(), INVALID_PARAMS, "{method}: {answer:?}");
                messages.push(answer.message().to_owned());
            }
            assert_eq!(messages[0], messages[1]);
        }
    }
    assert_eq!(get_task(&alice, &id).await["status"], "working");
    // Another token of the same caller works.
    let ack = request(
        &client_of("alice", "app"),
        "tasks/cancel",
        json!({ "taskId": id }),
    )
    .await;
    assert_eq!(ack.result()["resultType"], "complete");
    wait_for_status(&alice, &id, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_all_tasks() {
    let mut host = Host::of(&guest()).await;
    let client = host.client();
    task_id(&call(&client, "spins").await);
    let start = Instant::now();
    host.stop();
    host.stopped().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
