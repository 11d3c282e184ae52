//! 2026-07-28: the state that travels with a client between two rounds, and what it is good for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource, Secret};
use toolcrib::config::{Access, Config};

use super::rounds::{INVALID_PARAMS, accepted, everything, round, state};
use super::{MAX_STATE_BYTES, asking};
use crate::support::guest::{Guest, Prompt, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};
use crate::support::server::{Host, refusal_with};

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

/// A state is for the method that it came from: a prompt may have the name of a tool.
#[tokio::test]
async fn another_methods_state() {
    let mut guest = Guest::new();
    let asks = guest.questions(&[["name", "elicitation/create", super::NAME]]);
    guest.tool(Tool::new("asks"), asks.clone());
    guest.prompt(Prompt::new("asks"), asks);
    let host = Host::of(&guest).await;
    let client = host.client();
    let again = json!({
        "name": "asks", "arguments": {},
        "requestState": state(&round(&client, "asks", json!({})).await),
        "_meta": { "io.modelcontextprotocol/clientCapabilities": everything() },
    });
    let asked = client.request("tools/call", again.clone()).await;
    assert_eq!(asked.result()["resultType"], "input_required");
    let refused = client.request("prompts/get", again).await;
    assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
    assert!(refused.message().contains("`requestState`"), "{refused:?}");
}

/// A state says, in what is sealed, until when it is good: for an hour.
#[tokio::test]
async fn expiry() {
    let host = Host::of(&asking()).await;
    let before = now_seconds();
    let state = state(&round(&host.client(), "asks", json!({})).await);
    let sealed = state.as_str().unwrap().split('.').nth(1).unwrap();
    let sealed = URL_SAFE_NO_PAD.decode(sealed).unwrap();
    let expires = u64::from_be_bytes(sealed[..8].try_into().unwrap()) / 1_000;
    let hour = before + 3_600..=now_seconds() + 3_600;
    assert!(hour.contains(&expires), "{hour:?} {expires}");
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
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
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

/// What travels with a client has a limit, and takes little more than its bytes.
#[tokio::test]
async fn large_states() {
    // Text of three bytes stands as four, beside the question.
    for (bytes, fits) in [
        (MAX_STATE_BYTES / 4 * 3 - 500, true),
        (MAX_STATE_BYTES / 4 * 3, false),
    ] {
        let mut guest = Guest::new();
        let asks = guest.questions_with(
            &[["name", "elicitation/create", super::NAME]],
            &"s".repeat(bytes),
        );
        guest.tool(
            Tool::new("hoards"),
            format!(
                "(if (i32.eqz (local.get $state)) (then (return {asks})))
                 (call $say_number (i64.extend_i32_u (local.get $state_len))) (call $said)"
            ),
        );
        let host = Host::of(&guest).await;
        let client = host.client();
        let asked = round(&client, "hoards", json!({})).await;
        if !fits {
            let sentence = "the tool's questions, its state and the answers so far take more than \
                            1048576 bytes";
            assert_eq!(asked.failure(), sentence);
            continue;
        }
        let again =
            json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state(&asked) });
        let done = round(&client, "hoards", again).await;
        assert_eq!(done.text(), bytes.to_string());
    }
}
