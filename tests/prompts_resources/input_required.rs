//! Prompts and resources that ask the client a question: by `input_required` results on 2026-07-28, by server requests
//! in a session of an older revision. Without a session, clients of older revisions cannot be asked.

use serde_json::{Value, json};

use super::{INTERNAL_ERROR, INVALID_PARAMS, get, read, text};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Document, Guest, Prompt};
use crate::support::server::Host;
use crate::support::session::{Session, accept};

/// A question for the user's name: key, method and parameters.
const NAME_QUESTION: [&str; 3] = [
    "name",
    "elicitation/create",
    r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#,
];

/// `asks` and `test://asks` return the answer, `remembers` and `test://remembers` the guest's own state. `can` and
/// `test://can` return whether the client can be asked.
fn asking_guest() -> Guest {
    let mut guest = Guest::new();
    let asks = guest.questions(&[NAME_QUESTION]);
    let remembers = guest.questions_with(&[NAME_QUESTION], "the guest's own");
    let can_ask = r#"(import "toolcrib:mcp/call@0.1.1" "can-ask" (func $can_ask (param i32 i32) (result i32)))"#;
    guest.import(can_ask);
    let method = guest.string("elicitation/create");
    let can = format!("(call $say_number (i64.extend_i32_u (call $can_ask {method})))");
    let answer = "(call $answer (local.get $answers) (i32.const 0))";
    let state = "(local.get $state_ptr) (local.get $state_len)";
    let output = "(i32.const 1024) (global.get $said)";
    let uri = "(local.get $uri) (local.get $uri_len)";
    let unanswered = format!("(if (i32.eqz (local.get $answers_len)) (then (return {asks})))");
    let stateless = format!("(if (i32.eqz (local.get $state)) (then (return {remembers})))");
    guest
        .prompt(
            Prompt::new("asks").taking(&["topic"]),
            format!("{unanswered} (call $message {answer})"),
        )
        .prompt(
            Prompt::new("remembers"),
            format!("{stateless} (call $message {state})"),
        )
        .prompt(
            Prompt::new("can"),
            format!("{can} (call $message {output})"),
        )
        .document(
            Document::new("test://asks"),
            format!("{unanswered} (call $document {uri} {answer})"),
        )
        .document(
            Document::new("test://remembers"),
            format!("{stateless} (call $document {uri} {state})"),
        )
        .document(
            Document::new("test://can"),
            format!("{can} (call $document {uri} {output})"),
        );
    guest
}

/// The prompt and the resource that ask: method, parameter and name.
const ASKING: [(&str, &str, &str); 2] = [
    ("prompts/get", "name", "asks"),
    ("resources/read", "uri", "test://asks"),
];

/// Sends one request of a multi round-trip request.
async fn round(
    client: &Client,
    (method, key, name): (&str, &str, &str),
    mut params: Value,
) -> Answer {
    params[key] = name.into();
    let declared = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if declared.is_null() {
        *declared = json!({ "elicitation": {} });
    }
    client.request(method, params).await
}

fn accepted() -> Value {
    json!({ "action": "accept", "content": { "name": "Ada" } })
}

#[tokio::test]
async fn questions_and_answers_travel_in_rounds() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    for asking in ASKING {
        let pending = round(&client, asking, json!({})).await;
        let result = pending.result();
        assert_eq!(result["resultType"], "input_required", "{pending:?}");
        let requests = result["inputRequests"].as_object().unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests["name"]["params"]["message"], "Your name?");
        let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(info["name"], "toolcrib");

        let state = result["requestState"].clone();
        let retry = json!({ "inputResponses": { "name": accepted() }, "requestState": state });
        let completed = round(&client, asking, retry.clone()).await;
        assert_eq!(text(&completed), accepted().to_string());
        assert_eq!(completed.result()["resultType"], "complete");

        // The state is accepted only for the same prompt or resource.
        let (method, key, name) = asking;
        let other = name.replace("asks", "remembers");
        let refused = round(&client, (method, key, &other), retry.clone()).await;
        assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
        assert!(refused.message().contains("`requestState`"), "{refused:?}");

        let pending = round(&client, (method, key, &other), json!({})).await;
        let state = pending.result()["requestState"].clone();
        let retry = json!({ "inputResponses": { "name": accepted() }, "requestState": state });
        let completed = round(&client, (method, key, &other), retry).await;
        assert_eq!(text(&completed), "the guest's own");
    }
    // The state is accepted only with the same arguments.
    let pending = round(&client, ASKING[0], json!({ "arguments": { "topic": "a" } })).await;
    let state = &pending.result()["requestState"];
    for (topic, is_same) in [("a", true), ("b", false)] {
        let retry = json!({
            "arguments": { "topic": topic },
            "inputResponses": { "name": accepted() },
            "requestState": state,
        });
        let answer = round(&client, ASKING[0], retry).await;
        assert_eq!(answer.last()["error"].is_null(), is_same, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_revisions_are_asked_in_a_session_while_the_request_waits() {
    let host = Host::start(&[("guest", &asking_guest())], |config| {
        config.server.sessions = true;
        config.limits.concurrency = 1;
    })
    .await;
    let text_of = |last: &Value| {
        let result = &last["result"];
        let message = &result["messages"][0]["content"]["text"];
        let text = message.as_str().or(result["contents"][0]["text"].as_str());
        text.unwrap_or_else(|| panic!("no text in {last}"))
            .to_owned()
    };
    for revision in [Revision::June2025, Revision::November2025] {
        let declared = json!({ "elicitation": {} });
        let session = Session::open(host.client_of(revision), declared).await;
        let without_elicitation =
            Session::open(host.client_of(revision), json!({ "roots": {} })).await;
        for (method, key, name) in ASKING {
            let params = |name: &str| json!({ key: name });
            let converse = |name: &str| session.converse(method, params(name), accept);
            let (questions, last) = converse(name).await;
            assert_eq!(questions.len(), 1, "{last}");
            assert_eq!(questions[0]["method"], "elicitation/create");
            assert_eq!(questions[0]["params"]["message"], "Your name?");
            assert_eq!(text_of(&last), accepted().to_string());
            // The guest receives its state with the answer.
            let (questions, last) = converse(&name.replace("asks", "remembers")).await;
            assert_eq!(
                (questions.len(), text_of(&last)),
                (1, "the guest's own".into())
            );
            let can = name.replace("asks", "can");
            assert_eq!(text_of(&converse(&can).await.1), "1");

            // An error in place of an answer fails the request with a protocol error.
            let decline = |_: &Value| json!({ "result": { "action": "decline" } });
            let (_, last) = session.converse(method, params(name), decline).await;
            assert_eq!(text_of(&last), r#"{"action":"decline"}"#);
            let kind = ["prompt", "resource"][usize::from(method == "resources/read")];
            let unanswered = format!("the client did not answer the {kind}'s question");
            let refuse = |_: &Value| json!({ "error": { "code": -1, "message": "no" } });
            let (_, last) = session.converse(method, params(name), refuse).await;
            assert_eq!(last["error"]["code"], INTERNAL_ERROR, "{last}");
            assert_eq!(last["error"]["message"], unanswered);

            let (questions, last) = without_elicitation
                .converse(method, params(name), accept)
                .await;
            assert!(questions.is_empty(), "{questions:?}");
            assert_eq!(last["error"]["code"], INTERNAL_ERROR, "{last}");
            let (_, last) = without_elicitation
                .converse(method, params(&can), accept)
                .await;
            assert_eq!(text_of(&last), "0");
        }
    }
}

/// Components can find out beforehand whether the client can be asked.
#[tokio::test]
async fn clients_that_cannot_answer_are_not_asked() {
    let host = Host::of(&asking_guest()).await;
    let without_elicitation =
        json!({ "_meta": { "io.modelcontextprotocol/clientCapabilities": { "roots": {} } } });
    for asking in ASKING {
        let refused = round(&host.client(), asking, without_elicitation.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, -32021),
            "{refused:?}"
        );
        let (method, key, name) = asking;
        let can = name.replace("asks", "can");
        for (params, expected) in [(json!({}), "1"), (without_elicitation.clone(), "0")] {
            let answer = round(&host.client(), (method, key, &can), params).await;
            assert_eq!(text(&answer), expected);
        }
    }
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        for (answer, kind) in [
            (get(&client, "asks", json!({})).await, "prompt"),
            (read(&client, "test://asks").await, "resource"),
        ] {
            assert_eq!(answer.code(), INTERNAL_ERROR);
            assert_eq!(
                answer.message(),
                format!(
                    "the {kind} asks a question back (elicitation/create), which this client \
                     cannot answer"
                )
            );
        }
        assert_eq!(text(&get(&client, "can", json!({})).await), "0");
        assert_eq!(text(&read(&client, "test://can").await), "0");
    }
}
