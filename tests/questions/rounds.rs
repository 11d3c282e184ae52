//! 2026-07-28: multi round-trip requests.

use serde_json::{Value, json};

use super::asking;
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

pub(super) const INVALID_PARAMS: i64 = -32602;
const MISSING_CAPABILITY: i64 = -32021;

pub(super) fn everything() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// One round of a call.
pub(super) async fn round(client: &Client, tool: &str, round: Value) -> Answer {
    declaring(client, tool, round, everything()).await
}

pub(super) async fn declaring(
    client: &Client,
    tool: &str,
    mut round: Value,
    capabilities: Value,
) -> Answer {
    round["name"] = tool.into();
    if round["arguments"].is_null() {
        round["arguments"] = json!({});
    }
    round["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
    client.request("tools/call", round).await
}

pub(super) fn state(answer: &Answer) -> Value {
    let result = answer.result();
    assert_eq!(result["resultType"], "input_required", "{answer:?}");
    assert!(result["requestState"].is_string(), "{answer:?}");
    result["requestState"].clone()
}

pub(super) fn accepted(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

#[tokio::test]
async fn a_question_and_its_answer() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let asked = round(&client, "asks", json!({})).await;
    assert_eq!(asked.status, 200);
    let requests = &asked.result()["inputRequests"];
    assert_eq!(
        requests["name"]["method"], "elicitation/create",
        "{asked:?}"
    );
    assert_eq!(requests["name"]["params"]["message"], "Your name?");
    assert_eq!(requests.as_object().unwrap().len(), 1);
    let info = &asked.result()["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "toolcrib");

    let state = state(&asked);
    for answers in [
        json!({ "name": accepted("Ada") }),
        // What nobody asked for is left alone.
        json!({ "name": accepted("Ada"), "other": { "action": "accept" }, "more": 5 }),
    ] {
        let again = json!({ "inputResponses": answers, "requestState": state });
        let done = round(&client, "asks", again).await;
        assert_eq!(done.text(), accepted("Ada").to_string());
        assert_eq!(done.result()["resultType"], "complete");
    }
    // Who knows the question may answer at once.
    let at_once = json!({ "inputResponses": { "name": accepted("Ada") } });
    assert_eq!(
        round(&client, "asks", at_once).await.text(),
        accepted("Ada").to_string()
    );
    // The other two ways to answer a form.
    for action in ["decline", "cancel"] {
        let again =
            json!({ "inputResponses": { "name": { "action": action } }, "requestState": state });
        let done = round(&client, "asks", again).await;
        assert_eq!(done.text(), json!({ "action": action }).to_string());
    }
}

/// Answers that are missing are asked for again, and those that came are kept.
#[tokio::test]
async fn missing_answers() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let asked = round(&client, "two", json!({})).await;
    assert_eq!(
        asked.result()["inputRequests"].as_object().unwrap().len(),
        2
    );
    let first = state(&asked);
    // Nothing at all.
    let none = round(&client, "two", json!({ "requestState": first })).await;
    assert_eq!(none.result()["inputRequests"].as_object().unwrap().len(), 2);
    // One of them.
    let one = json!({ "inputResponses": { "a": accepted("Ada") }, "requestState": first });
    let one = round(&client, "two", one).await;
    let left: Vec<_> = one.result()["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(left, ["b"]);
    let sampled =
        json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "hi" } });
    let other = json!({ "inputResponses": { "b": sampled }, "requestState": state(&one) });
    let done = round(&client, "two", other).await;
    assert_eq!(done.text(), format!("{}{sampled}", accepted("Ada")));
    // What the client no longer declares is not asked again.
    let again = json!({ "requestState": first });
    let refused = declaring(&client, "two", again, json!({ "elicitation": {} })).await;
    assert_eq!(refused.code(), MISSING_CAPABILITY, "{refused:?}");
    // Without a state, it is the tool that asks again.
    let one = json!({ "inputResponses": { "a": accepted("Ada") } });
    let one = round(&client, "two", one).await;
    assert_eq!(one.result()["inputRequests"].as_object().unwrap().len(), 2);
}

/// A tool has the answers of all rounds.
#[tokio::test]
async fn several_rounds() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let first = state(&round(&client, "steps", json!({})).await);
    let again = json!({ "inputResponses": { "step1": accepted("Ada") }, "requestState": first });
    let second = round(&client, "steps", again).await;
    assert_eq!(
        second.result()["inputRequests"]["step2"]["method"],
        "roots/list"
    );
    let state = state(&second);
    assert_ne!(state, first);
    let roots = json!({ "roots": [{ "uri": "file:///home" }] });
    let last = json!({ "inputResponses": { "step2": roots }, "requestState": state });
    let done = round(&client, "steps", last).await;
    assert_eq!(done.text(), format!("{}{roots}", accepted("Ada")));
}

#[tokio::test]
async fn answers_that_are_none() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let asked = |tool: &'static str| {
        let client = &client;
        async move { state(&round(client, tool, json!({})).await) }
    };
    for (tool, key, answer, says) in [
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
        let again = json!({ "inputResponses": { key: answer }, "requestState": asked(tool).await });
        let refused = round(&client, tool, again).await;
        assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
        let message = refused.message();
        assert!(
            message.starts_with(&format!("`/inputResponses/{key}` ")),
            "{message}"
        );
        assert!(message.contains(says), "{message}");
    }
}

/// Only what the client declared is asked.
#[tokio::test]
async fn undeclared() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let only_sampling = json!({ "sampling": {} });
    for (tool, declared, needed) in [
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
        // Who names only other ways to ask has no forms.
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
        let refused = declaring(&client, tool, json!({}), declared).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.code(), MISSING_CAPABILITY);
        assert_eq!(
            refused.last()["error"]["data"]["requiredCapabilities"],
            needed
        );
    }
    for (tool, declared) in [
        ("by_url", json!({ "elicitation": { "url": {} } })),
        ("asks", json!({ "elicitation": { "url": {}, "form": {} } })),
        ("asks", json!({ "elicitation": { "form": {} } })),
        ("roots", json!({ "roots": {} })),
        ("with_tools", json!({ "sampling": { "tools": {} } })),
    ] {
        let asked = declaring(&client, tool, json!({}), declared).await;
        assert_eq!(asked.result()["resultType"], "input_required", "{asked:?}");
    }

    // The tool can know before it asks.
    for (declared, can) in [
        (everything(), "1110"),
        (json!({ "roots": {} }), "0010"),
        (json!({}), "0000"),
    ] {
        assert_eq!(
            declaring(&client, "can", json!({}), declared).await.text(),
            can
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
        // What only the newest revision has is nothing here.
        for more in [
            json!({ "_meta": { "io.modelcontextprotocol/clientCapabilities": everything() } }),
            json!({ "inputResponses": { "name": accepted("Ada") } }),
        ] {
            let mut params = more;
            params["name"] = "asks".into();
            let refused = client.request("tools/call", params).await;
            assert!(refused.failure().contains("cannot answer"), "{refused:?}");
        }
    }
}

/// Answers count as what a call is given.
#[tokio::test]
async fn large_answers() {
    let host = Host::start(&[("guest", &asking())], |config| {
        config.limits.argument_bytes = 1_000;
    })
    .await;
    let answer = accepted(&"x".repeat(1_000 - 2 - "name".len() - accepted("").to_string().len()));
    for (arguments, fits) in [(json!({}), true), (json!({ "a": 1 }), false)] {
        let at_once = json!({ "arguments": arguments, "inputResponses": { "name": answer } });
        let done = round(&host.client(), "asks", at_once).await;
        match fits {
            true => assert_eq!(done.text(), answer.to_string()),
            false => assert_eq!(
                done.failure(),
                "the arguments and answers are larger than 1000 bytes"
            ),
        }
    }
}

/// What is no question of MCP does not reach a client.
#[tokio::test]
async fn questions_that_are_none() {
    let mut guest = Guest::new();
    let many: Vec<_> = (0..17).map(|n| format!("q{n}")).collect();
    let many: Vec<[&str; 3]> = many
        .iter()
        .map(|key| [key.as_str(), "roots/list", "{}"])
        .collect();
    let long = "k".repeat(65);
    let cases: Vec<(&str, Vec<[&str; 3]>)> = vec![
        ("none", vec![]),
        ("many", many),
        ("no_key", vec![["", "roots/list", "{}"]]),
        ("long_key", vec![[&long, "roots/list", "{}"]]),
        (
            "twice",
            vec![["a", "roots/list", "{}"], ["a", "roots/list", "{}"]],
        ),
        ("method", vec![["a", "ping", "{}"]]),
        ("json", vec![["a", "roots/list", "{"]]),
        ("object", vec![["a", "roots/list", "[]"]]),
    ];
    for (name, asked) in &cases {
        let body = guest.questions(asked);
        guest.tool(Tool::new(name), body);
    }
    let unparsable = guest.questions(&[["a", "elicitation/create", r#"{"message":5}"#]]);
    guest.tool(Tool::new("params"), unparsable);
    let host = Host::of(&guest).await;
    for (name, _) in &cases {
        let refused = round(&host.client(), name, json!({})).await;
        assert_eq!(
            refused.failure_with_id(),
            "the tool returned a result that does not fit its definition",
            "{name}"
        );
    }
    let refused = round(&host.client(), "params", json!({})).await;
    assert!(
        refused.failure().contains("`elicitation/create`"),
        "{refused:?}"
    );
}
