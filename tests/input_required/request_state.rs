//! The sealed `requestState` of 2026-07-28 that a client returns with its answers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource, Secret};
use toolcrib::config::{Access, Config};

use super::rounds::{INVALID_PARAMS, accepted, all_capabilities, request_state, round};
use super::{MAX_STATE_BYTES, asking_guest};
use crate::support::guest::{Guest, Prompt, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};
use crate::support::server::{Host, refusal_with};

#[tokio::test]
async fn a_guest_receives_its_own_state_back() {
    let host = Host::of(&asking_guest()).await;
    let client = host.client();
    let state = request_state(&round(&client, "remembers", json!({})).await);
    let retry = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    assert_eq!(
        round(&client, "remembers", retry).await.text(),
        "the guest's own"
    );
}

#[tokio::test]
async fn a_state_is_bound_to_host_tool_and_arguments() {
    let host = Host::of(&asking_guest()).await;
    let other_host = Host::of(&asking_guest()).await;
    let client = host.client();
    let arguments = json!({ "b": 1, "a": { "y": 1, "x": 2 } });
    let pending = round(&client, "asks", json!({ "arguments": arguments })).await;
    let state = request_state(&pending).as_str().unwrap().to_owned();
    let retry = |tool: &'static str, arguments: &Value, state: String| {
        let retry = json!({
            "arguments": arguments,
            "inputResponses": { "name": accepted("Ada") },
            "requestState": state,
        });
        let client = &client;
        async move { round(client, tool, retry).await }
    };
    // The order of members is irrelevant.
    let reordered = json!({ "a": { "x": 2, "y": 1 }, "b": 1 });
    assert_eq!(
        retry("asks", &reordered, state.clone()).await.text(),
        accepted("Ada").to_string()
    );

    let foreign = round(
        &other_host.client(),
        "asks",
        json!({ "arguments": arguments }),
    )
    .await;
    let foreign = request_state(&foreign).as_str().unwrap().to_owned();
    let mut flipped = state.clone().into_bytes();
    flipped[40] ^= 1;
    for (tool, arguments, state) in [
        ("asks", &arguments, format!("{state}-TAMPERED")),
        ("asks", &arguments, String::from_utf8(flipped).unwrap()),
        ("asks", &arguments, "garbage".into()),
        ("asks", &arguments, String::new()),
        ("asks", &arguments, foreign),
        ("asks", &json!({ "b": 2 }), state.clone()),
        ("remembers", &arguments, state.clone()),
    ] {
        let refused = retry(tool, arguments, state).await;
        assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
        assert!(refused.message().contains("`requestState`"), "{refused:?}");
    }
}

/// The prompt and the tool have the same name.
#[tokio::test]
async fn a_state_is_bound_to_the_method() {
    let mut guest = Guest::new();
    let asks = guest.questions(&[["name", "elicitation/create", super::NAME_FORM]]);
    guest.tool(Tool::new("asks"), asks.clone());
    guest.prompt(Prompt::new("asks"), asks);
    let host = Host::of(&guest).await;
    let client = host.client();
    let retry = json!({
        "name": "asks", "arguments": {},
        "requestState": request_state(&round(&client, "asks", json!({})).await),
        "_meta": { "io.modelcontextprotocol/clientCapabilities": all_capabilities() },
    });
    let pending = client.request("tools/call", retry.clone()).await;
    assert_eq!(pending.result()["resultType"], "input_required");
    let refused = client.request("prompts/get", retry).await;
    assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
    assert!(refused.message().contains("`requestState`"), "{refused:?}");
}

/// The sealed part starts with the expiry time in milliseconds.
#[tokio::test]
async fn a_state_expires_after_an_hour() {
    let host = Host::of(&asking_guest()).await;
    let before = now_seconds();
    let state = request_state(&round(&host.client(), "asks", json!({})).await);
    let sealed = state.as_str().unwrap().split('.').nth(1).unwrap();
    let sealed = URL_SAFE_NO_PAD.decode(sealed).unwrap();
    let expires = u64::from_be_bytes(sealed[..8].try_into().unwrap()) / 1_000;
    let expected = before + 3_600..=now_seconds() + 3_600;
    assert!(expected.contains(&expires), "{expected:?} {expires}");
}

#[tokio::test]
async fn replicas_with_the_same_key_accept_each_others_states() {
    let key = Some(Secret::new("0123456789abcdef0123456789abcdef"));
    let guest = asking_guest();
    let hosts = [
        Host::start(&[("guest", &guest)], |c| c.server.state_key = key.clone()).await,
        Host::start(&[("guest", &guest)], |c| c.server.state_key = key.clone()).await,
    ];
    let state = request_state(&round(&hosts[0].client(), "asks", json!({})).await);
    let retry = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    let completed = round(&hosts[1].client(), "asks", retry).await;
    assert_eq!(completed.text(), accepted("Ada").to_string());
}

/// The check also covers keys that are set through the library.
#[tokio::test]
async fn a_short_state_key_is_rejected() {
    let guest = asking_guest();
    let short = |config: &mut Config| config.server.state_key = Some(Secret::new("short"));
    let errors = refusal_with(&guest, short).await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("`server.state-key` has less than 32 bytes"),
        "{errors:?}"
    );
}

/// A new token of the same caller is accepted.
#[tokio::test]
async fn a_state_is_bound_to_the_caller() {
    let issuer = Issuer::start().await;
    let mut guard_config = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard_config.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guest = asking_guest();
    let host = Host::start(&[("guest", &guest)], |config| {
        config.access = Access::Guarded(Box::new(guard_config));
    })
    .await;
    let client_of = |subject: &str, token_id: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = subject.into();
            claims["jti"] = token_id.into();
        });
        host.client().with_token(&token)
    };
    let state = request_state(&round(&client_of("alice", "1"), "asks", json!({})).await);
    let retry = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": state });
    let completed = round(&client_of("alice", "2"), "asks", retry.clone()).await;
    assert_eq!(completed.text(), accepted("Ada").to_string());
    let refused = round(&client_of("mallory", "3"), "asks", retry).await;
    assert_eq!(refused.code(), INVALID_PARAMS, "{refused:?}");
}

#[tokio::test]
async fn the_size_of_a_state_is_limited() {
    // Base64 encodes three bytes as four. The question takes up to 500 bytes.
    for (bytes, fits) in [
        (MAX_STATE_BYTES / 4 * 3 - 500, true),
        (MAX_STATE_BYTES / 4 * 3, false),
    ] {
        let mut guest = Guest::new();
        let asks = guest.questions_with(
            &[["name", "elicitation/create", super::NAME_FORM]],
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
        let pending = round(&client, "hoards", json!({})).await;
        if !fits {
            let message = "the tool's questions, its state and the answers so far take more than \
                            1048576 bytes";
            assert_eq!(pending.failure(), message);
            continue;
        }
        let retry = json!({ "inputResponses": { "name": accepted("Ada") }, "requestState": request_state(&pending) });
        let completed = round(&client, "hoards", retry).await;
        assert_eq!(completed.text(), bytes.to_string());
    }
}
