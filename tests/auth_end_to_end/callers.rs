//! Authenticated callers: the data passed to tools, scopes of tools, rate limits and log lines.

use serde_json::{Value, json};

use super::{configuration, guest, host};
use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::issuer::Issuer;
use crate::support::server::Host;

#[tokio::test]
async fn a_tool_sees_its_caller_and_only_the_configured_claims() {
    let issuer = Issuer::start().await;
    let more = "pass-claims = [\"org\", \"absent\"]\nscope-implies = { admin = [\"use\"] }";
    let host = host(&issuer, more).await;
    let url = issuer.url();
    for (change, expected) in [
        (
            json!({ "scope": "b a", "org": { "id": 7 }, "email": "a@b.example" }),
            format!("{url} alice test-client a b {{\"org\":{{\"id\":7}}}}"),
        ),
        (
            json!({ "sub": "bob", "client_id": null }),
            format!("{url} bob  {{}}"),
        ),
        (
            json!({ "scope": "admin" }),
            format!("{url} alice test-client admin use {{}}"),
        ),
        // A client that acts for itself cannot be mistaken for a user of the same name.
        (
            json!({ "sub": null, "client_id": "robot" }),
            format!("{url} client:robot robot {{}}"),
        ),
    ] {
        let token = issuer.token(|claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
                if value.is_null() {
                    claims.as_object_mut().unwrap().remove(name);
                }
            }
        });
        for revision in Revision::ALL {
            let client = host.client_of(revision).with_token(&token);
            assert_eq!(
                client.call("whoami", json!({})).await.text(),
                expected,
                "{change}"
            );
        }
    }
    // Concurrent calls do not mix up their callers.
    let calls = (0..40).map(async |number: u32| {
        let subject = format!("user-{}", number % 5);
        let token = issuer.token(|claims| claims["sub"] = json!(subject));
        let answer = loop {
            let answer = host
                .client()
                .with_token(&token)
                .call("whoami", json!({}))
                .await;
            if ![429, 503].contains(&answer.status.as_u16()) {
                break answer;
            }
        };
        assert!(
            answer.text().contains(&format!(" {subject} ")),
            "{answer:?}"
        );
    });
    futures::future::join_all(calls).await;
}

/// A call that lacks scopes of its component or tool is refused before any guest runs. The challenge names all scopes
/// that the call needs, and `tools/list` contains only tools that the caller may call.
#[tokio::test]
async fn tools_require_the_scopes_of_component_and_tool() {
    let issuer = Issuer::start().await;
    let text = configuration(
        &issuer,
        "required-scopes = [\"use\"]\nscope-implies = { root = [\"admin\"], admin = [\"use\"] }\n\
         [[component]]\nref = \"guest.wasm\"\nscopes = [\"guest\"]\n\
         [component.tool.admin]\nscopes = [\"admin\"]\n",
    );
    let host = Host::configured(&[("guest", &guest())], &text).await;
    for (scopes, listed, refused) in [
        ("use", json!([]), Some(("open", "guest use"))),
        (
            "use guest",
            json!(["open", "whoami"]),
            Some(("admin", "admin guest use")),
        ),
        ("use guest admin", json!(["admin", "open", "whoami"]), None),
        ("admin guest", json!(["admin", "open", "whoami"]), None),
        ("root guest", json!(["admin", "open", "whoami"]), None),
    ] {
        let token = issuer.token(|claims| claims["scope"] = json!(scopes));
        for revision in Revision::ALL {
            let client = host.client_of(revision).with_token(&token);
            let answer = client.list().await;
            let names: Vec<_> = answer.result()["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t["name"].clone())
                .collect();
            assert_eq!(json!(names), listed, "{scopes}");
            if revision.is_modern() {
                assert_eq!(answer.result()["cacheScope"], "private");
                let discovered = client.request("server/discover", json!({})).await;
                assert_eq!(discovered.result()["cacheScope"], "private");
            }
            for name in names {
                assert_eq!(
                    client.call(name.as_str().unwrap(), json!({})).await.status,
                    200,
                    "{scopes}"
                );
            }
            let Some((tool, required)) = refused else {
                continue;
            };
            let answer = client.call(tool, json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (403, 403),
                "{scopes}: {answer:?}"
            );
            assert_eq!(answer.last()["id"], 1);
            let challenge = answer.header("www-authenticate");
            assert!(
                challenge.contains("error=\"insufficient_scope\""),
                "{challenge}"
            );
            let named = challenge
                .split("scope=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            let mut named: Vec<_> = named.split(' ').collect();
            named.sort_unstable();
            assert_eq!(named.join(" "), required, "{scopes}: {challenge}");
        }
    }
    // The name in the body decides, not the one in the header.
    let token = issuer.token(|claims| claims["scope"] = json!("use guest"));
    let client = host.client().with_token(&token);
    let message = client.message("tools/call", json!({ "name": "admin", "arguments": {} }));
    let mut for_headers = message.clone();
    for_headers["params"]["name"] = json!("open");
    let answer = Answer::to(client.post(&for_headers).body(message.to_string())).await;
    assert!([400, 403].contains(&answer.status.as_u16()), "{answer:?}");
    // A duplicate `name` does not bypass the check.
    let client = host.client_of(Revision::November2025).with_token(&token);
    let duplicate =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","name":"admin"}}"#;
    let answer = Answer::to(client.post(&json!({})).body(duplicate)).await;
    assert!(!answer.body.contains("\"text\":\"admin\""), "{answer:?}");
}

#[tokio::test]
async fn the_rate_limit_counts_calls_per_caller() {
    let issuer = Issuer::start().await;
    let host = host(&issuer, "[limits]\ncalls-per-minute = 2").await;
    let token_of = |subject: &str| issuer.token(|claims| claims["sub"] = json!(subject));
    for subject in ["alice", "bob"] {
        let status = async |token: &str| {
            let answer = host
                .client()
                .with_token(token)
                .call("open", json!({}))
                .await;
            answer.status.as_u16()
        };
        let token = token_of(subject);
        assert_eq!(
            (status(&token).await, status(&token).await),
            (200, 200),
            "{subject}"
        );
        assert_eq!(status(&token).await, 429, "{subject}");
        // A new token does not make a new caller.
        assert_eq!(status(&token_of(subject)).await, 429, "{subject}");
    }
}

#[tokio::test]
async fn tokens_and_arguments_are_not_logged_at_any_level() {
    let issuer = Issuer::start().await;
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    let more = "[telemetry]\nlevel = \"trace\"\nlog = \"json\"";
    toolcrib.file("c.toml", configuration(&issuer, more));
    let mut child = toolcrib
        .command(&["serve", "--config", "c.toml", "--listen", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut log = String::new();
    let address = loop {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        log.push_str(&line);
        if let Some(url) = line.strip_prefix("listening on ") {
            break url.split(' ').next().unwrap().to_owned();
        }
        assert!(!line.is_empty(), "{log}");
    };
    let valid = issuer.token(|_| {});
    let expired = issuer.token(|claims| claims["exp"] = json!(1));
    let client = Client::new(&address, Revision::November2025);
    let secret = json!({ "password": "swordfish" });
    assert_eq!(
        client
            .with_token(&valid)
            .call("open", secret.clone())
            .await
            .text(),
        "open"
    );
    assert_eq!(
        client
            .with_token(&expired)
            .call("open", secret)
            .await
            .status,
        401
    );
    let answer = client.with_token(&valid).call("whoami", json!({})).await;
    assert!(answer.text().contains("alice"));
    std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // The refusal is logged as a JSON line.
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| !line.starts_with("listening"))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["auth.reason"] == "the token has expired"),
        "{log}"
    );
    for (secret, text) in [
        ("an argument", "swordfish"),
        ("the valid token", &valid),
        ("the expired token", &expired),
    ] {
        assert!(!log.contains(text), "{secret} was logged");
    }
    for token in [&valid, &expired] {
        for part in token.split('.') {
            assert!(!log.contains(part), "part of a token was logged");
        }
    }
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_and_audience() {
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    let more = format!(
        "[[auth.issuers]]\nissuer = {:?}\naudience = \"second\"\njwks-uri = {:?}\n",
        second.url(),
        second.jwks_uri()
    );
    let host = host(&first, &more).await;
    let for_second = |claims: &mut Value| claims["aud"] = "second".into();
    let claims_of_second = second.claims(for_second);
    for (name, token, status) in [
        ("the first", first.token(|_| {}), 200),
        ("the second", second.token(for_second), 200),
        (
            "the second, for the audience of the first",
            second.token(|_| {}),
            401,
        ),
        (
            "the first, for the audience of the second",
            first.token(for_second),
            401,
        ),
        (
            "the second, signed with the key of the first",
            first.first_key().token(&claims_of_second),
            401,
        ),
    ] {
        let answer = host.client().with_token(&token).list().await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    let metadata = host.url("/.well-known/oauth-protected-resource");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert_eq!(
        metadata["authorization_servers"],
        json!([first.url(), second.url()])
    );
}
