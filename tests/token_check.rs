//! `toolcrib check --token` explains claim by claim why a token is accepted or rejected, and never prints the token.

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::issuer::{AUDIENCE, Issuer, SigningKey};

/// Creates a configuration that trusts the issuer's first key.
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
async fn the_claim_that_makes_a_token_invalid_is_reported() {
    let issuer = Issuer::start().await;
    let toolcrib = configured(&issuer);
    let good = |claims: &mut Value| claims["scope"] = "tools:use".into();
    let good_except = |name: &'static str, value: Value| {
        issuer.token(move |claims| {
            good(claims);
            claims[name] = value;
        })
    };
    let wrong_signature = SigningKey::p256("key-1").token(&issuer.claims(good));
    let cases = [
        (issuer.token(good), None),
        (good_except("exp", json!(1)), Some("exp")),
        (
            good_except("aud", json!("https://other.example/mcp")),
            Some("aud"),
        ),
        (
            good_except("iss", json!("https://stranger.example")),
            Some("iss"),
        ),
        (good_except("scope", json!("other")), Some("scope")),
        (wrong_signature, Some("signature")),
        ("no.token.at-all".into(), Some("format")),
    ];
    for (token, rejected_claim) in cases {
        toolcrib.file("token", format!("{token}\n"));
        toolcrib.file("header", format!("bearer  {token}\r\n"));
        let check = ["check", "--config", "c.toml", "--token", "token"];
        let from_file = toolcrib.run(&check);
        let from_header = toolcrib.run(&["check", "--config", "c.toml", "--token", "header"]);
        assert_eq!(from_header.status, from_file.status, "{from_header:?}");
        assert_eq!(
            from_header.stdout.lines().last(),
            from_file.stdout.lines().last()
        );
        let from_stdin =
            toolcrib.run_with(&["check", "--config", "c.toml", "--token", "-"], &token);
        // Other lines contain relative times, which may differ by a second.
        assert_eq!(from_file.status, from_stdin.status);
        assert_eq!(
            from_file.stdout.lines().last(),
            from_stdin.stdout.lines().last()
        );
        let as_json = toolcrib.run(&[&check[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&as_json.stdout).unwrap();
        for output in [&from_file, &as_json] {
            assert_eq!(
                output.status,
                i32::from(rejected_claim.is_some()),
                "{rejected_claim:?}: {output:?}"
            );
            for part in token.split('.').filter(|part| part.len() > 20) {
                assert!(!output.stdout.contains(part), "{output:?}");
                assert!(!output.stderr.contains(part), "{output:?}");
            }
        }
        assert_eq!(report["accepted"], rejected_claim.is_none(), "{report:#}");
        let rejected: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["accepted"] == false)
            .map(|finding| finding["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            rejected,
            rejected_claim.into_iter().collect::<Vec<_>>(),
            "{report:#}"
        );
        let verdict = if rejected_claim.is_none() {
            "accepted"
        } else {
            "refused"
        };
        assert!(
            from_file
                .stdout
                .ends_with(&format!("the token is {verdict}\n")),
            "{from_file:?}"
        );
    }
}

#[tokio::test]
async fn missing_token_files_and_missing_auth_settings_are_reported() {
    let issuer = Issuer::start().await;
    let toolcrib = configured(&issuer);
    toolcrib.file("open.toml", "components = []\n");
    toolcrib.file("token", "x");
    for (arguments, status, words) in [
        (["--config", "c.toml", "--token", "nowhere"], 1, "nowhere"),
        (["--config", "open.toml", "--token", "token"], 2, "[auth]"),
    ] {
        let output = toolcrib.run(&[&["check"][..], &arguments].concat());
        assert_eq!(output.status, status, "{output:?}");
        assert!(output.stderr.contains(words), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
}
