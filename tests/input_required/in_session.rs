//! Questions of older revisions: the server sends requests on the session's stream while the call waits.

use serde_json::{Value, json};

use super::{MAX_ROUNDS, asking_guest};
use crate::support::client::{Answer, Revision};
use crate::support::command::Toolcrib;
use crate::support::pipes::Pipes;
use crate::support::server::Host;
use crate::support::session::{Session, accept};

/// Calls a tool in the session, answers each question with `answer`, and returns the questions and the result.
async fn call(
    session: &Session,
    tool: &str,
    answer: impl Fn(&Value) -> Value,
) -> (Vec<Value>, Value) {
    let params = json!({ "name": tool, "arguments": {} });
    let (questions, last) = session.converse("tools/call", params, answer).await;
    (questions, last["result"].clone())
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

async fn host() -> Host {
    Host::start(&[("guest", &asking_guest())], |config| {
        config.server.sessions = true
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_receives_the_answers_of_the_client() {
    let host = host().await;
    for revision in [Revision::June2025, Revision::November2025] {
        let capabilities = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        let session = Session::open(host.client_of(revision), capabilities).await;
        let (questions, result) = call(&session, "asks", accept).await;
        assert_eq!(questions[0]["method"], "elicitation/create");
        assert_eq!(questions[0]["params"]["message"], "Your name?");
        assert_ne!(result["isError"], true, "{result}");
        assert!(text(&result).contains("Ada"), "{result}");
        let (_, result) = call(&session, "remembers", accept).await;
        assert_eq!(text(&result), "the guest's own");
        for (tool, methods) in [
            ("two", ["elicitation/create", "sampling/createMessage"]),
            ("steps", ["elicitation/create", "roots/list"]),
        ] {
            let (questions, result) = call(&session, tool, accept).await;
            let mut found: Vec<_> = questions
                .iter()
                .map(|q| q["method"].as_str().unwrap())
                .collect();
            found.sort_unstable();
            assert_eq!(found, methods, "{result}");
            assert!(text(&result).contains("Ada"), "{result}");
        }
        let (_, result) = call(&session, "can", accept).await;
        assert_eq!(text(&result), "1110");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_a_valid_answer_fail() {
    let host = host().await;
    let client = host.client_of(Revision::November2025);
    let session = Session::open(client, json!({ "elicitation": {} })).await;
    let error = |_: &Value| json!({ "error": { "code": -1, "message": "no" } });
    let invalid_action = |_: &Value| json!({ "result": { "action": "perhaps" } });
    let long_name = "x".repeat(1 << 20);
    let long_answer =
        |_: &Value| json!({ "result": { "action": "accept", "content": { "name": long_name } } });
    type Reply<'a> = &'a dyn Fn(&Value) -> Value;
    let cases: [(&str, Reply<'_>, &str, usize); 6] = [
        (
            "asks",
            &error,
            "the client did not answer the tool's question",
            1,
        ),
        ("asks", &invalid_action, "the client", 1),
        // The client did not declare sampling.
        ("two", &accept, "the tool asks a question back", 0),
        // After the last round, the client is not asked again.
        ("always_asks", &accept, "in more than 16 rounds", MAX_ROUNDS),
        (
            "above_round_limit",
            &accept,
            "in more than 16 rounds",
            MAX_ROUNDS,
        ),
        ("asks", &long_answer, "takes more than 1048576 bytes", 1),
    ];
    for (tool, answer, message, question_count) in cases {
        let (questions, result) = call(&session, tool, answer).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(text(&result).contains(message), "{tool}: {result}");
        assert_eq!(questions.len(), question_count, "{tool}");
    }
    let (questions, result) = call(&session, "at_round_limit", accept).await;
    assert_ne!(result["isError"], true, "{result}");
    assert_eq!(questions.len(), MAX_ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_call_holds_no_call_permit_but_waiting_calls_are_limited() {
    let host = Host::start(&[("guest", &asking_guest())], |config| {
        config.server.sessions = true;
        config.limits.concurrency = 1;
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let session = Session::open(client, json!({ "elicitation": {} })).await;
    let (_, result) = call(&session, "asks", accept).await;
    assert!(text(&result).contains("Ada"), "{result}");
    // The client answers nothing: calls wait up to the limit, and one more is refused.
    let asks = json!({ "name": "asks", "arguments": {} });
    let mut waiting = Vec::new();
    for id in 100..116 {
        let mut stream = session.begin(id, "tools/call", asks.clone()).await;
        let question = stream.next().await.unwrap();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        waiting.push((stream, question));
    }
    let (_, refused) = call(&session, "asks", accept).await;
    assert_eq!(
        text(&refused),
        "too many calls wait for answers already; answer those first"
    );
    let (_, result) = call(&session, "can", accept).await;
    assert_eq!(text(&result), "1000");
    // After one answer, another call may wait.
    let (mut stream, question) = waiting.pop().unwrap();
    session.reply(&question, accept(&question)).await;
    assert!(text(&stream.next().await.unwrap()["result"]).contains("Ada"));
    let (_, result) = call(&session, "asks", accept).await;
    assert!(text(&result).contains("Ada"), "{result}");
}

#[test]
fn clients_on_stdio_are_asked_and_each_round_counts_towards_the_rate_limit() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("asking", &asking_guest().component());
    let settings = "components = [\"asking.wasm\"]\n[limits]\ncalls-per-minute = 2\n";
    toolcrib.file("c.toml", settings);
    let mut client = Pipes::start(&toolcrib, &["--config", "c.toml"]);
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" },
    });
    client.ask(1, "initialize", params);
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let asks = json!({ "name": "asks", "arguments": {} });
    client.send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asks }));
    let question = client.read();
    let mut answer = accept(&question);
    answer["jsonrpc"] = "2.0".into();
    answer["id"] = question["id"].clone();
    client.send(&answer);
    let reply = client.read();
    assert!(text(&reply["result"]).contains("Ada"), "{reply}");
    let refused = client.ask(3, "tools/call", asks);
    assert!(
        text(&refused["result"]).contains("too many calls"),
        "{refused}"
    );
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_of_waiting_calls_is_limited_per_caller_across_sessions() {
    let host = host().await;
    let open = || {
        let client = host.client_of(Revision::November2025);
        Session::open(client, json!({ "elicitation": {} }))
    };
    let (first, second) = (open().await, open().await);
    let asks = json!({ "name": "sixteen_at_once", "arguments": {} });
    let mut waiting = Vec::new();
    for id in 100..115 {
        let mut stream = first.begin(id, "tools/call", asks.clone()).await;
        assert_eq!(stream.next().await.unwrap()["method"], "elicitation/create");
        waiting.push(stream);
    }
    for session in [&first, &second] {
        let (questions, refused) = call(session, "sixteen_at_once", accept).await;
        let message = "too many calls wait for answers already; answer those first";
        assert_eq!((questions.len(), text(&refused)), (0, message));
        let (_, result) = call(session, "asks", accept).await;
        assert!(text(&result).contains("Ada"), "{result}");
    }
    // A cancelled call releases its share.
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 100 },
    });
    let answer = Answer::to(first.post(&cancelled)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let started = std::time::Instant::now();
    loop {
        let mut stream = second.begin(1, "tools/call", asks.clone()).await;
        if stream.next().await.unwrap()["method"] == "elicitation/create" {
            break;
        }
        assert!(
            started.elapsed().as_secs() < 10,
            "memory was not released within 10 s"
        );
    }
}

/// Many small values take more memory than their text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_count_towards_the_memory_of_waiting_calls() {
    let host = host().await;
    let client = host.client_of(Revision::November2025);
    let session = Session::open(client, json!({ "elicitation": {} })).await;
    let asks = json!({ "name": "asks", "arguments": { "many": vec![0; 1_300_000] } });
    let mut waiting = Vec::new();
    for id in 100..102 {
        let mut stream = session.begin(id, "tools/call", asks.clone()).await;
        assert_eq!(stream.next().await.unwrap()["method"], "elicitation/create");
        waiting.push(stream);
    }
    let (questions, refused) = session.converse("tools/call", asks, accept).await;
    assert!(questions.is_empty(), "{questions:?}");
    assert!(
        text(&refused["result"]).contains("too many calls wait"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_cancels_calls_that_wait_for_an_answer() {
    let mut host = Host::start(&[("guest", &asking_guest())], |config| {
        config.server.sessions = true;
        config.server.drain = std::time::Duration::ZERO;
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let session = Session::open(client, json!({ "elicitation": {} })).await;
    let asks = json!({ "name": "asks", "arguments": {} });
    let mut stream = session.begin(1, "tools/call", asks).await;
    assert_eq!(stream.next().await.unwrap()["method"], "elicitation/create");
    host.stop();
    let last = stream.next().await.unwrap();
    assert_eq!(text(&last["result"]), "the call was cancelled");
    host.stopped().await;
}
