//! The pages of recipes: the settings of each identity provider are valid and accept its token, and each message of the
//! troubleshooting page is one of the program.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::issuer::Issuer;
use crate::tidy::ROOT;

/// The fenced blocks of a language below each heading of level two.
fn blocks(page: &str, language: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("{ROOT}/docs/{page}")).unwrap();
    let mut found = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        for part in section.split(&format!("\n```{language}\n")).skip(1) {
            let (block, _) = part.split_once("\n```").unwrap();
            found.push((heading.to_owned(), format!("{block}\n")));
        }
    }
    found
}

#[tokio::test]
async fn recipes_of_identity_providers_accept_their_tokens() {
    let page = "identity-providers.md";
    let issuer = Issuer::start().await;
    let (settings, tokens) = (blocks(page, "toml"), blocks(page, "json"));
    assert_eq!(settings.len(), 6);
    for ((name, settings), (other, claims)) in settings.iter().zip(&tokens) {
        assert_eq!(name, other);
        let toolcrib = Toolcrib::new();
        // A key of this test in place of the provider's, which would be fetched.
        toolcrib.file("key.pem", issuer.first_key().public_pem);
        let with_key =
            settings.replace("[auth]\n", "[auth]\npublic-key = { file = \"key.pem\" }\n");
        toolcrib.file("c.toml", with_key);
        let claims: Value = serde_json::from_str(claims).unwrap();
        let verify = |change: &dyn Fn(&mut Value)| {
            let mut claims = claims.clone();
            let defaults = issuer.claims(|_| {});
            for time in ["exp", "iat"] {
                claims[time] = defaults[time].clone();
            }
            change(&mut claims);
            toolcrib.file("token", issuer.first_key().token(&claims));
            let output = toolcrib.run(&["check", "--config", "c.toml", "--token", "token"]);
            (output.status, output.stdout)
        };
        let (status, report) = verify(&|_| {});
        assert_eq!(status, 0, "{name}: {report}");
        for claim in ["iss", "aud", "client_id"] {
            if claims.get(claim).is_some() {
                let (status, report) = verify(&|claims| claims[claim] = json!("https://other"));
                assert_eq!(status, 1, "{name}: another `{claim}`: {report}");
            }
        }
        let (status, report) = verify(&|claims| {
            for claim in ["scope", "scp", "permissions"] {
                claims.as_object_mut().unwrap().remove(claim);
            }
        });
        assert_eq!(status, 1, "{name}: without scopes: {report}");
    }
}

/// The text of all sources, with the continued string literals joined.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let mut parts = source.split("\\\n");
            text.push_str(parts.next().unwrap());
            parts.for_each(|part| text.push_str(part.trim_start()));
        }
    }
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[test]
fn messages_of_the_troubleshooting_page_exist() {
    let sources = sources(&Path::new(ROOT).join("host/src"));
    let page = fs::read_to_string(format!("{ROOT}/docs/troubleshooting.md")).unwrap();
    let messages: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("> "))
        .collect();
    assert!(messages.len() >= 25, "{}", messages.len());
    for message in messages {
        // `…` stands for what differs.
        let mut parts = message
            .split('…')
            .map(str::trim)
            .filter(|part| part.len() > 7);
        let first = parts.next();
        assert!(first.is_some(), "{message} has no fixed part");
        for part in first.into_iter().chain(parts) {
            assert!(
                sources.contains(part),
                "`{part}` of `{message}` is in no source"
            );
        }
    }
}
