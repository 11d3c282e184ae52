//! The extension `io.modelcontextprotocol/tasks`: a client that declares it does not wait for a long call.

mod bounds;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::Access;

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::{Host, refusal};

const INVALID_PARAMS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;
const MISSING_CAPABILITY: i64 = -32021;

/// A guest that takes its time.
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
    let done = guest.string("done");
    let done = format!("(call $text {done})");
    guest.tool(Tool::new("quick"), done.clone());
    let half = guest.string("half way");
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {half})
             (call $sleep (i64.const 900)) {done}"
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
    let no = guest.string("no");
    guest.tool(
        Tool::new("fails"),
        format!("(call $sleep (i64.const 700)) (call $failed {no})"),
    );
    let name = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{}}}"#;
    let asked = guest.questions(&[["name", "elicitation/create", name]]);
    let answer = "(call $text (call $answer (local.get $answers) (i32.const 0)))";
    guest.tool(
        Tool::new("asks_later"),
        format!(
            "(if (i32.eqz (local.get $answers_len))
               (then (call $sleep (i64.const 700)) (return {asked})))
             {answer}"
        ),
    );
    guest.tool(
        Tool::new("asks_first"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {asked})))
             (call $sleep (i64.const 700)) {answer}"
        ),
    );
    // Many small parts: beside their text they take a hundred megabytes.
    let parts = 1_300_000;
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
            length = 3 * parts,
        ),
    );
    let again = guest.questions_with(&[["name", "elicitation/create", name]], "once");
    guest.tool(
        as_task("asks_twice"),
        format!(
            "(if (i32.eqz (local.get $answers_len)) (then (return {asked})))
             (if (i32.eqz (local.get $state)) (then (return {again})))
             {answer}"
        ),
    );
    guest.tool(as_task("asks_on"), asked);
    let sixteen: Vec<_> = (0..16).map(|n| format!("q{n:02}")).collect();
    let sixteen: Vec<[&str; 3]> = sixteen
        .iter()
        .map(|key| [key.as_str(), "elicitation/create", name])
        .collect();
    let sixteen = guest.questions(&sixteen);
    guest.tool(as_task("asks_sixteen"), sixteen);
    for mode in ["required", "never"] {
        let tool = Tool {
            meta: Some(json!({ "toolcrib/task": mode }).to_string()),
            ..Tool::new(mode)
        };
        let ms = if mode == "never" { 700 } else { 5 };
        guest.tool(tool, format!("(call $sleep (i64.const {ms})) {done}"));
    }
    guest
}

/// A tool that runs only as a task.
fn as_task(name: &str) -> Tool {
    Tool {
        meta: Some(r#"{"toolcrib/task":"required"}"#.into()),
        ..Tool::new(name)
    }
}

fn declared() -> Value {
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// A request of a client that knows tasks.
async fn request(client: &Client, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": declared() });
    client.request(method, params).await
}

async fn call(client: &Client, tool: &str) -> Answer {
    request(
        client,
        "tools/call",
        json!({ "name": tool, "arguments": {} }),
    )
    .await
}

/// The id of the task that the call has become.
fn task(answer: &Answer) -> String {
    let result = answer.result();
    assert_eq!(result["resultType"], "task", "{answer:?}");
    result["taskId"].as_str().unwrap().to_owned()
}

async fn state(client: &Client, task: &str) -> Value {
    let answer = request(client, "tasks/get", json!({ "taskId": task })).await;
    answer.result().clone()
}

/// Asks for the task until it has this status.
async fn settled(client: &Client, task: &str, status: &str) -> Value {
    let start = Instant::now();
    loop {
        let state = state(client, task).await;
        if state["status"] == status {
            return state;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_call_becomes_a_task() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let capabilities = client.request("server/discover", json!({})).await;
    let extensions = &capabilities.result()["capabilities"]["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object());

    assert_eq!(call(&client, "quick").await.text(), "done");
    let began = call(&client, "slow").await;
    let id = task(&began);
    let result = began.result();
    assert_eq!(result["status"], "working");
    for field in ["createdAt", "lastUpdatedAt"] {
        assert!(result[field].is_string(), "{result}");
    }
    assert!(result["ttlMs"].as_u64().unwrap() >= 60_000, "{result}");
    assert!(result["pollIntervalMs"].is_u64(), "{result}");
    assert_eq!(result.get("requestState"), None);
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "toolcrib");
    let working = state(&client, &id).await;
    assert_eq!(
        (&working["status"], working.get("result")),
        (&json!("working"), None)
    );
    let done = settled(&client, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "done", "{done}");
    // Also what it reported before it was a task.
    assert_eq!(done["statusMessage"], "half way");
    // It stays for who asks again.
    assert_eq!(state(&client, &id).await["status"], "completed");

    // A tool that fails has done its work; one that crashes has not.
    let failed = settled(&client, &task(&call(&client, "fails").await), "completed").await;
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    let crashed = settled(&client, &task(&call(&client, "crashes").await), "failed").await;
    assert_eq!(crashed["error"]["code"], INTERNAL_ERROR, "{crashed}");
    let message = crashed["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the tool crashed; the host's log"),
        "{message}"
    );
    assert_eq!(crashed.get("result"), None);
}

/// Who does not know tasks waits, and hears of the progress as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits() {
    let host = Host::of(&guest()).await;
    for revision in Revision::ALL {
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
async fn required() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let id = task(&call(&client, "required").await);
    let done = settled(&client, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "done");
    let refused = client.call("required", json!({})).await;
    assert_eq!(refused.code(), MISSING_CAPABILITY);
    let needed = &refused.last()["error"]["data"]["requiredCapabilities"]["extensions"];
    assert!(
        needed["io.modelcontextprotocol/tasks"].is_object(),
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
    let faults = refusal(&Guest::with(tool, "(unreachable)")).await;
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].contains("`auto`, `required` or `never`"),
        "{faults:?}"
    );
}

/// A task that is cancelled stops its guest: the component's only place is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled() {
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| config.limits.concurrency = 1).await;
    let client = host.client();
    for tool in ["endless", "spins"] {
        let id = task(&call(&client, tool).await);
        // The place is taken.
        assert_eq!(call(&client, "quick").await.status, 503);
        let ack = request(&client, "tasks/cancel", json!({ "taskId": id })).await;
        assert_eq!(ack.result()["resultType"], "complete");
        assert_eq!(ack.result().get("status"), None);
        let state = settled(&client, &id, "cancelled").await;
        assert_eq!(state.get("result"), None, "{state}");
        assert_eq!(call(&client, "quick").await.text(), "done");
        // Once more changes nothing.
        let ack = request(&client, "tasks/cancel", json!({ "taskId": id })).await;
        assert_eq!(ack.result()["resultType"], "complete");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions() {
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
    // Asked once it is a task.
    let id = task(&call(&client, "asks_later").await);
    let waiting = settled(&client, &id, "input_required").await;
    assert_eq!(
        waiting["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let ack = update(id.clone(), json!({ "unknown": accept })).await;
    assert_eq!(ack.result()["resultType"], "complete");
    assert_eq!(state(&client, &id).await["status"], "input_required");
    update(id.clone(), json!({ "name": accept })).await;
    let done = settled(&client, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], accept.to_string());
    // An answer has a limit.
    let id = task(&call(&client, "asks_later").await);
    settled(&client, &id, "input_required").await;
    let long = json!({ "action": "accept", "content": { "name": "x".repeat(1 << 20) } });
    let refused = update(id.clone(), json!({ "name": long })).await;
    assert_eq!(
        (refused.code(), refused.message()),
        (INVALID_PARAMS, "an answer takes more than 1048576 bytes")
    );
    assert_eq!(state(&client, &id).await["status"], "input_required");
    // An answer that is none ends it with a sentence.
    let id = task(&call(&client, "asks_later").await);
    settled(&client, &id, "input_required").await;
    update(id.clone(), json!({ "name": 5 })).await;
    let done = settled(&client, &id, "completed").await;
    assert_eq!(done["result"]["isError"], true, "{done}");
    // Asked before: rounds first, then a task.
    let asked = call(&client, "asks_first").await;
    assert_eq!(asked.result()["resultType"], "input_required");
    let params = json!({
        "name": "asks_first", "arguments": {},
        "inputResponses": { "name": accept }, "requestState": asked.result()["requestState"],
    });
    let id = task(&request(&client, "tools/call", params).await);
    let done = settled(&client, &id, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], accept.to_string());
    // What the client cannot be asked ends the task as failed.
    let mut params = json!({ "name": "asks_later", "arguments": {} });
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": {
        "extensions": { "io.modelcontextprotocol/tasks": {} },
    } });
    let id = task(&client.request("tools/call", params).await);
    let failed = settled(&client, &id, "failed").await;
    assert_eq!(failed["error"]["code"], MISSING_CAPABILITY, "{failed}");
}

/// A task can ask the same again, under a key that it has not had, for as many rounds as other calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_again() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let accept = |name: &str| json!({ "action": "accept", "content": { "name": name } });
    for (tool, rounds, last) in [
        ("asks_twice", 2, accept("2").to_string()),
        (
            "asks_on",
            16,
            "the tool asked its questions in more than 16 rounds".into(),
        ),
    ] {
        let id = task(&call(&client, tool).await);
        for round in 1..=rounds {
            let key = match round {
                1 => "name".to_owned(),
                round => format!("name#{round}"),
            };
            loop {
                let waiting = settled(&client, &id, "input_required").await;
                if waiting["inputRequests"][&key].is_object() {
                    break;
                }
            }
            let answers = json!({ key: accept(&round.to_string()) });
            let params = json!({ "taskId": id, "inputResponses": answers });
            request(&client, "tasks/update", params).await.result();
        }
        let done = settled(&client, &id, "completed").await;
        assert_eq!(done["result"]["content"][0]["text"], last, "{done}");
    }
}

/// For everybody but its caller, a task does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses() {
    let issuer = Issuer::start().await;
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guest = guest();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.access = Access::Guarded(Box::new(settings));
    })
    .await;
    let of = |subject: &str, client: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = subject.into();
            claims["client_id"] = client.into();
        });
        host.client().with_token(&token)
    };
    let alice = of("alice", "app");
    let id = task(&call(&alice, "endless").await);
    for stranger in [of("mallory", "app"), of("alice", "other")] {
        for (method, params) in [
            ("tasks/get", json!({})),
            ("tasks/update", json!({ "inputResponses": {} })),
            ("tasks/cancel", json!({})),
        ] {
            let mut said = Vec::new();
            for id in [id.as_str(), "no-such-task"] {
                let mut params = params.clone();
                params["taskId"] = id.into();
                let answer = request(&stranger, method, params).await;
                assert_eq!(answer.code(), INVALID_PARAMS, "{method}: {answer:?}");
                said.push(answer.message().to_owned());
            }
            assert_eq!(said[0], said[1]);
        }
    }
    assert_eq!(state(&alice, &id).await["status"], "working");
    // With another token of hers.
    let ack = request(&of("alice", "app"), "tasks/cancel", json!({ "taskId": id })).await;
    assert_eq!(ack.result()["resultType"], "complete");
    settled(&alice, &id, "cancelled").await;
}

/// The end of the host is the end of its tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown() {
    let mut host = Host::of(&guest()).await;
    let client = host.client();
    task(&call(&client, "spins").await);
    let start = Instant::now();
    host.stop();
    host.stopped().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
