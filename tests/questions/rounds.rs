//! 2026-07-28: multi round-trip requests.

use serde_json::{Value, json};
use toolcrib::auth::{KeySource, Secret, Settings};
use toolcrib::config::{Access, Config};

use super::asking;
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::{Host, refusal_with};

const INVALID_PARAMS: i64 = -32602;
const MISSING_CAPABILITY: i64 = -32021;

fn everything() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// One round of a call.
async fn round(client: &Client, tool: &str, round: Value) -> Answer {
    declaring(client, tool, round, everything()).await
}

async fn declaring(client: &Client, tool: &str, mut round: Value, capabilities: Value) -> Answer {
    round["name"] = tool.into();
    if round["arguments"].is_null() {
        round["arguments"] = json!({});
    }
    round["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
    client.request("tools/call", round).await
}

fn state(answer: &Answer) -> Value {
    let result = answer.result();
    assert_eq!(result["resultType"], "input_required", "{answer:?}");
    assert!(result["requestState"].is_string(), "{answer:?}");
    result["requestState"].clone()
}

fn accepted(name: &str) -> Value {
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

#[tokio::test]
async fn the_guests_state_comes_back_to_it() {
    let host = Host::of(&asking()).await;
    let client = host.client();
    let state = state(&round(&client, "remembers", json!({})).await);
    let again = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    assert_eq!(
        round(&client, "remembers", again).await.text(),
        "the guest's own"
    );
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

/// A state is good for the host that gave it, unchanged, for the same tool with the same arguments.
#[tokio::test]
async fn states_that_are_not_good() {
    let host = Host::of(&asking()).await;
    let stranger = Host::of(&asking()).await;
    let client = host.client();
    let arguments = json!({ "b": 1, "a": { "y": 1, "x": 2 } });
    let asked = round(&client, "asks", json!({ "arguments": arguments })).await;
    let state = state(&asked).as_str().unwrap().to_owned();
    let again = |tool: &'static str, arguments: &Value, state: String| {
        let again = json!({
            "arguments": arguments,
            "inputResponses": { "name": accepted("Ada") },
            "requestState": state,
        });
        let client = &client;
        async move { round(client, tool, again).await }
    };
    // The order of members is nothing.
    let turned = json!({ "a": { "x": 2, "y": 1 }, "b": 1 });
    assert_eq!(
        again("asks", &turned, state.clone()).await.text(),
        accepted("Ada").to_string()
    );

    let foreign = round(
        &stranger.client(),
        "asks",
        json!({ "arguments": arguments }),
    )
    .await;
    let foreign = self::state(&foreign).as_str().unwrap().to_owned();
    let mut flipped = state.clone().into_bytes();
    flipped[40] ^= 1;
    for (tool, arguments, state) in [
        ("asks", &arguments, format!("{state}-TAMPERED")),
        ("asks", &arguments, String::from_utf8(flipped).unwrap()),
        ("asks", &arguments, "rubbish".into()),
        ("asks", &arguments, String::new()),
        ("asks", &arguments, foreign),
        ("asks", &json!({ "b": 2 }), state.clone()),
        ("remembers", &arguments, state.clone()),
    ] {
        let refused = again(tool, arguments, state).await;
        assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
        assert!(refused.message().contains("`requestState`"), "{refused:?}");
    }
}

/// Replicas with one key take each other's states.
#[tokio::test]
async fn one_key_for_replicas() {
    let key = Some(Secret::new("0123456789abcdef0123456789abcdef"));
    let guest = asking();
    let hosts = [
        Host::start(&[("guest", &guest)], |c| c.server.state_key = key.clone()).await,
        Host::start(&[("guest", &guest)], |c| c.server.state_key = key.clone()).await,
    ];
    let state = state(&round(&hosts[0].client(), "asks", json!({})).await);
    let again = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    let done = round(&hosts[1].client(), "asks", again).await;
    assert_eq!(done.text(), accepted("Ada").to_string());
}

/// Also an embedder's key is held to its length.
#[tokio::test]
async fn a_short_key() {
    let guest = asking();
    let short = |config: &mut Config| config.server.state_key = Some(Secret::new("short"));
    let faults = refusal_with(&guest, short).await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].contains("`server.state-key` has less than 32 bytes"),
        "{faults:?}"
    );
}

/// A state belongs to the caller whose call it is, with whatever token.
#[tokio::test]
async fn another_callers_state() {
    let issuer = Issuer::start().await;
    let mut settings = Settings::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guest = asking();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.access = Access::Guarded(Box::new(settings));
    })
    .await;
    let of = |subject: &str, id: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = subject.into();
            claims["jti"] = id.into();
        });
        host.client().with_token(&token)
    };
    let state = state(&round(&of("alice", "1"), "asks", json!({})).await);
    let again = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    let done = round(&of("alice", "2"), "asks", again.clone()).await;
    assert_eq!(done.text(), accepted("Ada").to_string());
    let refused = round(&of("mallory", "3"), "asks", again).await;
    assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
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
    ] {
        let refused = declaring(&client, tool, json!({}), declared).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.code(), MISSING_CAPABILITY);
        assert_eq!(
            refused.last()["error"]["data"]["requiredCapabilities"],
            needed
        );
    }
    let by_url = json!({ "elicitation": { "url": {} } });
    let asked = declaring(&client, "by_url", json!({}), by_url).await;
    assert_eq!(asked.result()["resultType"], "input_required");

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
