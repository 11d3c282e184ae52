//! `toolcrib check --token` says claim by claim why a token is accepted or refused, and never shows it.

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::issuer::{AUDIENCE, Issuer, SigningKey};

/// The binary with a configuration that trusts the issuer's first key.
fn configured(issuer: &Issuer) -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.file("key.pem", issuer.first_key().public_pem);
    toolcrib.file(
        "c.toml",
        format!(
            "server.public-url = \"https://tools.example\"\n[auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n\
             public-key = {{ file = \"key.pem\" }}\nrequired-scopes = [\"tools:use\"]\n",
            issuer.url()
        ),
    );
    toolcrib
}

#[tokio::test]
async fn why_a_token_is_accepted_or_refused() {
    let issuer = Issuer::start().await;
    let toolcrib = configured(&issuer);
    let good = |claims: &mut Value| claims["scope"] = "tools:use".into();
    let bad = |name: &'static str, value: Value| {
        issuer.token(move |claims| {
            good(claims);
            claims[name] = value;
        })
    };
    let stranger = SigningKey::p256("key-1").token(&issuer.claims(good));
    let cases = [
        (issuer.token(good), None),
        (bad("exp", json!(1)), Some("exp")),
        (bad("aud", json!("https://other.example/mcp")), Some("aud")),
        (bad("iss", json!("https://stranger.example")), Some("iss")),
        (bad("scope", json!("other")), Some("scope")),
        (stranger, Some("signature")),
        ("no.token.at-all".into(), Some("format")),
    ];
    for (token, wrong) in cases {
        toolcrib.file("token", format!("{token}\n"));
        let check = ["check", "--config", "c.toml", "--token", "token"];
        let told = toolcrib.run(&check);
        let from_stdin =
            toolcrib.run_with(&["check", "--config", "c.toml", "--token", "-"], &token);
        // The lines tell how many seconds ago and ahead, which may have changed in between.
        assert_eq!(told.status, from_stdin.status);
        assert_eq!(told.stdout.lines().last(), from_stdin.stdout.lines().last());
        let as_json = toolcrib.run(&[&check[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&as_json.stdout).unwrap();
        for ended in [&told, &as_json] {
            assert_eq!(
                ended.status,
                i32::from(wrong.is_some()),
                "{wrong:?}: {ended:?}"
            );
            for part in token.split('.').filter(|part| part.len() > 20) {
                assert!(!ended.stdout.contains(part), "{ended:?}");
                assert!(!ended.stderr.contains(part), "{ended:?}");
            }
        }
        assert_eq!(report["accepted"], wrong.is_none(), "{report:#}");
        let refused: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["accepted"] == false)
            .map(|finding| finding["name"].as_str().unwrap())
            .collect();
        assert_eq!(refused, wrong.into_iter().collect::<Vec<_>>(), "{report:#}");
        let verdict = if wrong.is_none() {
            "accepted"
        } else {
            "refused"
        };
        assert!(
            told.stdout.ends_with(&format!("the token is {verdict}\n")),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_checked() {
    let issuer = Issuer::start().await;
    let toolcrib = configured(&issuer);
    toolcrib.file("open.toml", "components = []\n");
    toolcrib.file("token", "x");
    for (arguments, status, says) in [
        (["--config", "c.toml", "--token", "nowhere"], 1, "nowhere"),
        (["--config", "open.toml", "--token", "token"], 2, "[auth]"),
    ] {
        let ended = toolcrib.run(&[&["check"][..], &arguments].concat());
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}
