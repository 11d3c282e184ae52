//! Multi round-trip requests of 2026-07-28.

use serde_json::{Value, json};

use super::asking_guest;
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

pub(super) const INVALID_PARAMS: i64 = -32602;
const MISSING_CAPABILITY: i64 = -32021;

/// The capabilities of a client that can answer every question.
pub(super) fn all_capabilities() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// Sends one round of a call from a client with all capabilities.
pub(super) async fn round(client: &Client, tool: &str, params: Value) -> Answer {
    round_with(client, tool, params, all_capabilities()).await
}

/// Sends one round of a call from a client with these capabilities.
pub(super) async fn round_with(
    client: &Client,
    tool: &str,
    mut params: Value,
    capabilities: Value,
) -> Answer {
    params["name"] = tool.into();
    if params["arguments"].is_null() {
        params["arguments"] = json!({});
    }
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
    client.request("tools/call", params).await
}

/// Returns the `requestState` of an `input_required` result.
pub(super) fn request_state(answer: &Answer) -> Value {
    let result = answer.result();
    assert_eq!(result["resultType"], "input_required", "{answer:?}");
    assert!(result["requestState"].is_string(), "{answer:?}");
    result["requestState"].clone()
}

/// The answer of a user who accepts the form.
pub(super) fn accepted(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

#[tokio::test]
async fn a_tool_receives_the_answer_to_its_question() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let pending = round(&client, "asks", json!({})).await;
    assert_eq!(pending.status, 200);
    let requests = &pending.result()["inputRequests"];
    assert_eq!(
        requests["name"]["method"], "elicitation/create",
        "{pending:?}"
    );
    assert_eq!(requests["name"]["params"]["message"], "Your name?");
    assert_eq!(requests.as_object().unwrap().len(), 1);
    let info = &pending.result()["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "toolcrib");

    let state = request_state(&pending);
    for answers in [
        json!({ "name": accepted("Ada") }),
        // Answers to unknown questions are ignored.
        json!({ "name": accepted("Ada"), "other": { "action": "accept" }, "more": 5 }),
    ] {
        let retry = json!({ "inputResponses": answers, "requestState": state });
        let completed = round(&client, "asks", retry).await;
        assert_eq!(completed.text(), accepted("Ada").to_string());
        assert_eq!(completed.result()["resultType"], "complete");
    }
    // A client that knows the question may answer it in the first round.
    let params = json!({ "inputResponses": { "name": accepted("Ada") } });
    assert_eq!(
        round(&client, "asks", params).await.text(),
        accepted("Ada").to_string()
    );
    // The other two answers to a form.
    for action in ["decline", "cancel"] {
        let retry =
            json!({ "inputResponses": { "name": { "action": action } }, "requestState": state });
        let completed = round(&client, "asks", retry).await;
        assert_eq!(completed.text(), json!({ "action": action }).to_string());
    }
}

#[tokio::test]
async fn missing_answers_are_requested_again_and_given_ones_are_kept() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let pending = round(&client, "two", json!({})).await;
    assert_eq!(
        pending.result()["inputRequests"].as_object().unwrap().len(),
        2
    );
    let first = request_state(&pending);
    // No answer.
    let none = round(&client, "two", json!({ "requestState": first })).await;
    assert_eq!(none.result()["inputRequests"].as_object().unwrap().len(), 2);
    // One answer of two.
    let one = json!({ "inputResponses": { "a": accepted("Ada") }, "requestState": first });
    let one = round(&client, "two", one).await;
    let missing: Vec<_> = one.result()["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(missing, ["b"]);
    let sampled =
        json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "hi" } });
    let other = json!({ "inputResponses": { "b": sampled }, "requestState": request_state(&one) });
    let completed = round(&client, "two", other).await;
    assert_eq!(completed.text(), format!("{}{sampled}", accepted("Ada")));
    // A client that no longer declares the capability is not asked again.
    let retry = json!({ "requestState": first });
    let refused = round_with(&client, "two", retry, json!({ "elicitation": {} })).await;
    assert_eq!(refused.code(), MISSING_CAPABILITY, "{refused:?}");
    // Without the state, the given answer is lost, and the tool asks both questions again.
    let one = json!({ "inputResponses": { "a": accepted("Ada") } });
    let one = round(&client, "two", one).await;
    assert_eq!(one.result()["inputRequests"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_tool_receives_the_answers_of_all_rounds() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let first = request_state(&round(&client, "steps", json!({})).await);
    let retry = json!({ "inputResponses": { "step1": accepted("Ada") }, "requestState": first });
    let second = round(&client, "steps", retry).await;
    assert_eq!(
        second.result()["inputRequests"]["step2"]["method"],
        "roots/list"
    );
    let state = request_state(&second);
    assert_ne!(state, first);
    let roots = json!({ "roots": [{ "uri": "file:///home" }] });
    let last = json!({ "inputResponses": { "step2": roots }, "requestState": state });
    let completed = round(&client, "steps", last).await;
    assert_eq!(completed.text(), format!("{}{roots}", accepted("Ada")));
}

#[tokio::test]
async fn malformed_answers_are_invalid_params() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let fresh_state = |tool: &'static str| {
        let client = &client;
        async move { request_state(&round(client, tool, json!({})).await) }
    };
    for (tool, key, answer, reason) in [
        ("asks", "name", json!(12345), "must be an object"),
        ("asks", "name", json!(null), "must be an object"),
        ("asks", "name", json!({}), "`action`"),
        ("asks", "name", json!({ "action": "maybe" }), "`action`"),
        (
            "asks",
            "name",
            json!({ "action": "accept", "content": [1] }),
            "`content`",
        ),
        ("two", "b", json!({ "role": "assistant" }), "`content`"),
        (
            "two",
            "b",
            json!({ "content": { "type": "text", "text": "hi" } }),
            "`role`",
        ),
    ] {
        let retry =
            json!({ "inputResponses": { key: answer }, "requestState": fresh_state(tool).await });
        let refused = round(&client, tool, retry).await;
        assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
        let message = refused.message();
        assert!(
            message.starts_with(&format!("`/inputResponses/{key}` ")),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn questions_need_a_declared_capability() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let only_sampling = json!({ "sampling": {} });
    for (tool, declared, required) in [
        ("asks", json!({}), json!({ "elicitation": {} })),
        ("asks", only_sampling.clone(), json!({ "elicitation": {} })),
        (
            "two",
            json!({}),
            json!({ "elicitation": {}, "sampling": {} }),
        ),
        ("two", only_sampling, json!({ "elicitation": {} })),
        (
            "by_url",
            json!({ "elicitation": {} }),
            json!({ "elicitation": { "url": {} } }),
        ),
        // An explicit mode excludes forms, which are the default.
        (
            "asks",
            json!({ "elicitation": { "url": {} } }),
            json!({ "elicitation": { "form": {} } }),
        ),
        (
            "roots",
            json!({ "elicitation": {}, "sampling": {} }),
            json!({ "roots": {} }),
        ),
        (
            "with_tools",
            json!({ "sampling": {} }),
            json!({ "sampling": { "tools": {} } }),
        ),
    ] {
        let refused = round_with(&client, tool, json!({}), declared).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.code(), MISSING_CAPABILITY);
        assert_eq!(
            refused.last()["error"]["data"]["requiredCapabilities"],
            required
        );
    }
    for (tool, declared) in [
        ("by_url", json!({ "elicitation": { "url": {} } })),
        ("asks", json!({ "elicitation": { "url": {}, "form": {} } })),
        ("asks", json!({ "elicitation": { "form": {} } })),
        ("roots", json!({ "roots": {} })),
        ("with_tools", json!({ "sampling": { "tools": {} } })),
    ] {
        let pending = round_with(&client, tool, json!({}), declared).await;
        assert_eq!(
            pending.result()["resultType"],
            "input_required",
            "{pending:?}"
        );
    }

    // A tool can find out what the client can be asked.
    for (declared, expected) in [
        (all_capabilities(), "1110"),
        (json!({ "roots": {} }), "0010"),
        (json!({}), "0000"),
    ] {
        assert_eq!(
            round_with(&client, "can", json!({}), declared).await.text(),
            expected
        );
    }
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        assert_eq!(client.call("can", json!({})).await.text(), "0000");
        let refused = client.call("asks", json!({})).await;
        assert_eq!(
            refused.failure(),
            "the tool asks a question back (elicitation/create), which this client cannot answer"
        );
        // Members of the newest revision are ignored here.
        for extra in [
            json!({ "_meta": { "io.modelcontextprotocol/clientCapabilities": all_capabilities() } }),
            json!({ "inputResponses": { "name": accepted("Ada") } }),
        ] {
            let mut params = extra;
            params["name"] = "asks".into();
            let refused = client.request("tools/call", params).await;
            assert!(refused.failure().contains("cannot answer"), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn answers_count_towards_the_argument_limit() {
    let host = Host::start(&[("guest", &asking_guest())], |config| {
        config.limits.argument_bytes = 1_000;
    })
    .await;
    let answer = accepted(&"x".repeat(1_000 - 2 - "name".len() - accepted("").to_string().len()));
    for (arguments, fits) in [(json!({}), true), (json!({ "a": 1 }), false)] {
        let params = json!({ "arguments": arguments, "inputResponses": { "name": answer } });
        let completed = round(&host.client(), "asks", params).await;
        match fits {
            true => assert_eq!(completed.text(), answer.to_string()),
            false => assert_eq!(
                completed.failure(),
                "the arguments and answers are larger than 1000 bytes"
            ),
        }
    }
}

#[tokio::test]
async fn invalid_questions_do_not_reach_the_client() {
    let mut guest = Guest::new();
    let keys: Vec<_> = (0..17).map(|n| format!("q{n}")).collect();
    let many: Vec<[&str; 3]> = keys
        .iter()
        .map(|key| [key.as_str(), "roots/list", "{}"])
        .collect();
    let long = "k".repeat(65);
    let cases: Vec<(&str, Vec<[&str; 3]>)> = vec![
        ("no_questions", vec![]),
        ("too_many", many),
        ("no_key", vec![["", "roots/list", "{}"]]),
        ("long_key", vec![[&long, "roots/list", "{}"]]),
        (
            "duplicate_key",
            vec![["a", "roots/list", "{}"], ["a", "roots/list", "{}"]],
        ),
        ("unknown_method", vec![["a", "ping", "{}"]]),
        ("params_not_json", vec![["a", "roots/list", "{"]]),
        ("params_not_object", vec![["a", "roots/list", "[]"]]),
    ];
    for (name, questions) in &cases {
        let body = guest.questions(questions);
        guest.tool(Tool::new(name), body);
    }
    let invalid_params = guest.questions(&[["a", "elicitation/create", r#"{"message":5}"#]]);
    guest.tool(Tool::new("invalid_params"), invalid_params);
    let host = Host::of(&guest).await;
    for (name, _) in &cases {
        let refused = round(&host.client(), name, json!({})).await;
        assert_eq!(
            refused.failure_with_id(),
            "the tool returned a result that does not fit its definition",
            "{name}"
        );
    }
    let refused = round(&host.client(), "invalid_params", json!({})).await;
    assert!(
        refused.failure().contains("`elicitation/create`"),
        "{refused:?}"
    );
}
