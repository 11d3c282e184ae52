//! Accepted and refused requests, with the complete error responses.

use reqwest::Method;
use serde_json::{Value, json};

use super::host;
use crate::support::client::{Answer, Client, Revision};
use crate::support::issuer::{AUDIENCE, Failure, Issuer, SigningKey, now_seconds, unsigned};

const METADATA_URL: &str = "https://tools.example/.well-known/oauth-protected-resource/mcp";

/// Sends each token in each revision, and checks status, reason and challenge of every refusal.
#[tokio::test]
async fn calls_with_invalid_tokens_are_refused() {
    let issuer = Issuer::start().await;
    let key = issuer.first_key();
    let host = host(&issuer, "required-scopes = [\"tools:use\"]").await;
    let now = now_seconds();
    let with = |change: &dyn Fn(&mut Value)| {
        issuer.token(|claims| {
            claims["scope"] = json!("tools:use");
            change(claims);
        })
    };
    let claims = issuer.claims(|claims| claims["scope"] = json!("tools:use"));
    let public_key_as_secret = SigningKey::secret(
        "key-1",
        jsonwebtoken::Algorithm::HS256,
        key.public_pem.as_bytes(),
    );
    let cases = [
        ("valid", with(&|_| {}), None),
        (
            "several audiences",
            with(&|c| c["aud"] = json!(["x", AUDIENCE])),
            None,
        ),
        (
            "more scopes",
            with(&|c| c["scope"] = json!("a tools:use b")),
            None,
        ),
        (
            "expired",
            with(&|c| c["exp"] = json!(now - 3600)),
            Some((401, "expired")),
        ),
        (
            "not valid yet",
            with(&|c| c["nbf"] = json!(now + 3600)),
            Some((401, "not valid yet")),
        ),
        (
            "issued in the future",
            with(&|c| c["iat"] = json!(now + 3600)),
            Some((401, "future")),
        ),
        (
            "for another server",
            with(&|c| c["aud"] = json!("https://other.example/mcp")),
            Some((401, "audience")),
        ),
        (
            "for the whole host",
            with(&|c| c["aud"] = json!("https://tools.example")),
            Some((401, "audience")),
        ),
        (
            "from an unknown issuer",
            with(&|c| c["iss"] = json!("https://evil.example")),
            Some((401, "unknown issuer")),
        ),
        (
            "unsigned",
            format!("{}.", unsigned(r#"{"alg":"none"}"#, claims.to_string())),
            Some((401, "algorithm")),
        ),
        (
            "HMAC keyed with the public key",
            public_key_as_secret.token(&claims),
            Some((401, "algorithm")),
        ),
        (
            "signed with a foreign key",
            SigningKey::p256("key-1").token(&claims),
            Some((401, "bad signature")),
        ),
        (
            "signed with an unknown key",
            SigningKey::p256("key-9").token(&claims),
            Some((401, "unknown key")),
        ),
        (
            "not a JWT",
            "garbage".to_owned(),
            Some((401, "not a signed JWT")),
        ),
        (
            "without scopes",
            issuer.token(|_| {}),
            Some((403, "lacks a scope")),
        ),
        (
            "with other scopes",
            with(&|c| c["scope"] = json!("tools:used")),
            Some((403, "lacks a scope")),
        ),
    ];
    for (name, token, refused) in cases {
        for revision in Revision::ALL {
            let client = host.client_of(revision).with_token(&token);
            let answer = client.call("open", json!({})).await;
            let Some((status, reason)) = refused else {
                assert_eq!(answer.text(), "open", "{name}");
                continue;
            };
            assert_eq!(answer.status, status, "{name}: {answer:?}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Bearer "), "{name}: {challenge}");
            let error = if status == 403 {
                "insufficient_scope"
            } else {
                "invalid_token"
            };
            for part in [
                format!("error=\"{error}\""),
                format!("resource_metadata=\"{METADATA_URL}\""),
                "scope=\"tools:use\"".into(),
            ] {
                assert!(
                    challenge.contains(&part),
                    "{name}: {challenge} lacks {part}"
                );
            }
            // The body is a JSON-RPC error. Its code is the status, and it has no id because the request was not read.
            let body = answer.last();
            assert_eq!(
                (&body["jsonrpc"], answer.code()),
                (&json!("2.0"), i64::from(status)),
                "{name}"
            );
            assert!(answer.message().contains(reason), "{name}: {answer:?}");
            assert!(body.get("id").is_none(), "{name}: {body}");
            // The token is not echoed.
            assert!(
                !answer.body.contains(&token) && !challenge.contains(&token),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn every_request_to_the_endpoint_needs_one_bearer_token() {
    let issuer = Issuer::start().await;
    let host = host(&issuer, "").await;
    let token = issuer.token(|_| {});
    let client = host.client();
    let call = |client: &Client| {
        let params = json!({ "name": "open", "arguments": {} });
        client.post(&client.message("tools/call", params))
    };
    let challenge = format!("Bearer resource_metadata=\"{METADATA_URL}\"");

    // Without credentials, the challenge carries no error code.
    let answer = Answer::to(call(&client)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("www-authenticate")),
        (401, challenge.as_str())
    );
    assert_eq!(
        (answer.code(), answer.message()),
        (401, "a bearer token is needed")
    );

    // A token in the query is ignored.
    let in_query = Client::new(
        &format!("{}?access_token={token}", client.url),
        Revision::July2026,
    );
    assert_eq!(Answer::to(call(&in_query)).await.status, 401);

    for (header, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("Basic {token}"), 401),
        (token.clone(), 401),
        ("Bearer".into(), 401),
        ("Bearer ".into(), 401),
        (format!("Bearer {token} {token}"), 400),
        (format!("Bearer {token}, Bearer {token}"), 400),
        (format!("Bearer {}", "x".repeat(20_000)), 431),
    ] {
        let answer = Answer::to(call(&client).header("authorization", &header)).await;
        let label = &header[..header.len().min(30)];
        assert_eq!(answer.status, status, "{label}");
        if status == 401 {
            // No credentials for this resource, so the client is to start its sign-in.
            assert_eq!(answer.header("www-authenticate"), challenge, "{label}");
        }
        if status != 200 {
            assert_eq!(answer.code(), i64::from(status), "{label}");
        }
    }
    let twice = call(&client).header("authorization", format!("Bearer {token}"));
    let twice = twice.header("authorization", format!("Bearer {token}"));
    assert_eq!(Answer::to(twice).await.status, 400);

    // Every HTTP method and every MCP method is guarded.
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        assert_eq!(Answer::to(client.bare(method)).await.status, 401);
    }
    for method in [
        "initialize",
        "tools/list",
        "server/discover",
        "ping",
        "no/such",
    ] {
        for revision in Revision::ALL {
            let answer = host.client_of(revision).request(method, json!({})).await;
            assert_eq!(answer.status, 401, "{method}");
        }
    }
    // Malformed and oversized bodies are not read before authentication.
    assert_eq!(Answer::to(call(&client).body("{")).await.status, 401);
    assert_eq!(
        Answer::to(call(&client).body("x".repeat(5 << 20)))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn metadata_health_and_preflight_need_no_token() {
    let issuer = Issuer::start().await;
    let more =
        "required-scopes = [\"tools:use\"]\nauthorization-servers = [\"https://login.example/\"]";
    let host = host(&issuer, more).await;
    let http = host.client().http;
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    ] {
        let answer = Answer::to(
            http.get(host.url(path))
                .header("origin", "https://any.example"),
        )
        .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let metadata = answer.last();
        assert_eq!(metadata["resource"], AUDIENCE);
        assert_eq!(
            metadata["authorization_servers"],
            json!(["https://login.example/"])
        );
        assert_eq!(metadata["scopes_supported"], json!(["tools:use"]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http.get(host.url(path)).send().await.unwrap().status(), 200);
    }
    let preflight = http
        .request(Method::OPTIONS, host.url("/mcp"))
        .header("origin", "https://tools.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    let answer = Answer::to(preflight).await;
    assert!(answer.status.is_success(), "{answer:?}");
    // Scripts of an allowed origin can read the challenge.
    let params = json!({ "name": "open", "arguments": {} });
    let client = host.client();
    let refused = client
        .post(&client.message("tools/call", params))
        .header("origin", "https://tools.example");
    let answer = Answer::to(refused).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("www-authenticate")
    );
    // The origin is checked before the token.
    let params = json!({ "name": "open", "arguments": {} });
    let refused = client
        .post(&client.message("tools/call", params))
        .header("origin", "https://evil.example");
    assert_eq!(Answer::to(refused).await.status, 403);
}

/// A token that cannot be verified may be valid, so the response is 503 with `Retry-After` instead of 401.
#[tokio::test]
async fn tokens_are_answered_503_while_the_issuer_is_unavailable() {
    let issuer = Issuer::start().await;
    issuer.fail(Some(Failure::Status(500)));
    let host = host(&issuer, "").await;
    let client = host.client().with_token(&issuer.token(|_| {}));
    let answer = client.call("open", json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, 503),
        "{answer:?}"
    );
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn a_refusal_arrives_while_the_request_body_is_still_being_sent() {
    let issuer = Issuer::start().await;
    let host = host(&issuer, "").await;
    let client = host.client();
    for _ in 0..20 {
        let request = client
            .bare(reqwest::Method::POST)
            .header("content-type", "application/json");
        let answer = Answer::to(request.body(vec![b' '; 1 << 20])).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}
