//! The caller that the guard passes to the application, and the scopes that it requires.

use super::*;

#[tokio::test]
async fn the_application_sees_the_caller_but_not_the_token() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.pass_claims = vec!["department".to_owned(), "absent".to_owned()];
    let site = Site::start(config).await;
    let token = issuer.token(|claims| {
        claims["scope"] = json!("b a");
        claims["department"] = json!({ "name": "tools" });
        claims["secret"] = json!("not passed");
    });
    let answer = site.get(&token).await;
    assert_eq!(
        answer.body,
        json!({
            "authorization": false,
            "issuer": issuer.url(),
            "subject": "alice",
            "client_id": "test-client",
            "scopes": ["a", "b"],
            "claims": { "department": { "name": "tools" } },
            "debug_shows_claims": false,
        })
    );
}

#[tokio::test]
async fn subject_and_client_are_taken_from_the_known_claims() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    for (claims, subject, client_id) in [
        (json!({ "sub": "a", "client_id": "c" }), "a", json!("c")),
        (json!({ "sub": "a", "azp": "z" }), "a", json!("z")),
        (json!({ "sub": "a", "cid": "o" }), "a", json!("o")),
        (json!({ "sub": "a", "appid": "e" }), "a", json!("e")),
        (
            json!({ "sub": "a", "client_id": "c", "azp": "z" }),
            "a",
            json!("c"),
        ),
        (json!({ "sub": "a" }), "a", Value::Null),
        (
            json!({ "sub": "a", "cid": 7, "appid": "e" }),
            "a",
            json!("e"),
        ),
        (json!({ "client_id": "c" }), "client:c", json!("c")),
        (json!({ "azp": "z" }), "client:z", json!("z")),
    ] {
        let token = issuer.token(|token_claims| {
            token_claims.as_object_mut().unwrap().remove("sub");
            token_claims.as_object_mut().unwrap().remove("client_id");
            for (name, value) in claims.as_object().unwrap() {
                token_claims[name] = value.clone();
            }
        });
        let answer = site.get(&token).await;
        assert_eq!(answer.body["subject"], subject, "{claims}");
        assert_eq!(answer.body["client_id"], client_id, "{claims}");
    }
}

#[tokio::test]
async fn callers_are_equal_if_issuer_subject_and_client_are() {
    let issuer = Issuer::start().await;
    let other = Issuer::start().await;
    let mut config = config(&issuer);
    config.issuers.push(trusted(&other));
    let guard = Guard::build(config).unwrap();
    let alice = guard.verify(&issuer.token(|_| {})).await.unwrap();
    for (token, is_same) in [
        (
            issuer.token(|claims| claims["exp"] = json!(now_seconds() + 99)),
            true,
        ),
        (issuer.token(|claims| claims["sub"] = json!("bob")), false),
        (
            issuer.token(|claims| claims["client_id"] = json!("other")),
            false,
        ),
        (other.token(|_| {}), false),
    ] {
        let caller = guard.verify(&token).await.unwrap();
        assert_eq!(alice.is_same_caller(&caller), is_same, "{caller:?}");
    }
    let expires = issuer.claims(|_| {})["exp"].as_u64().unwrap();
    let until = alice.expires.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(expires.abs_diff(until.as_secs()) <= 2);
}

#[tokio::test]
async fn required_scopes_must_be_granted_or_implied() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.required_scopes = vec!["tools:use".to_owned(), "tools:see".to_owned()];
    let mut imply = |scope: &str, implied: &[&str]| {
        let implied = implied.iter().map(|scope| (*scope).to_owned()).collect();
        config.scope_implies.insert(scope.to_owned(), implied);
    };
    imply("tools:admin", &["tools:manage"]);
    imply("tools:manage", &["tools:use", "tools:see"]);
    imply("round", &["about"]);
    imply("about", &["round", "tools:use", "tools:see"]);
    let site = Site::start(config).await;
    for (claims, status, scopes) in [
        (
            json!({ "scope": "tools:use tools:see" }),
            200,
            json!(["tools:see", "tools:use"]),
        ),
        (
            json!({ "scope": "tools:see   other tools:use" }),
            200,
            json!(["other", "tools:see", "tools:use"]),
        ),
        (
            json!({ "scope": ["tools:use", "tools:see"] }),
            200,
            json!(["tools:see", "tools:use"]),
        ),
        (
            json!({ "scp": "tools:use tools:see" }),
            200,
            json!(["tools:see", "tools:use"]),
        ),
        (
            json!({ "scp": ["tools:use", "tools:see"] }),
            200,
            json!(["tools:see", "tools:use"]),
        ),
        (
            json!({ "scp": ["tools:use"], "scope": "tools:see" }),
            200,
            json!(["tools:see", "tools:use"]),
        ),
        (
            json!({ "scope": "tools:manage" }),
            200,
            json!(["tools:manage", "tools:see", "tools:use"]),
        ),
        (
            json!({ "scope": "tools:admin" }),
            200,
            json!(["tools:admin", "tools:manage", "tools:see", "tools:use"]),
        ),
        (
            json!({ "scope": "round" }),
            200,
            json!(["about", "round", "tools:see", "tools:use"]),
        ),
        (json!({ "scope": "tools:use" }), 403, Value::Null),
        (json!({ "scope": "tools:use,tools:see" }), 403, Value::Null),
        (json!({ "scope": "TOOLS:USE TOOLS:SEE" }), 403, Value::Null),
        (json!({ "scope": "tools:*" }), 403, Value::Null),
        (json!({ "scope": "" }), 403, Value::Null),
        (json!({ "scope": 7 }), 403, Value::Null),
        (
            json!({ "scope": { "tools:use": true, "tools:see": true } }),
            403,
            Value::Null,
        ),
        (
            json!({ "scope": [["tools:use", "tools:see"]] }),
            403,
            Value::Null,
        ),
        (json!({ "scopes": "tools:use tools:see" }), 403, Value::Null),
        (json!({}), 403, Value::Null),
    ] {
        let token = issuer.token(|token_claims| {
            for (name, value) in claims.as_object().unwrap() {
                token_claims[name] = value.clone();
            }
        });
        // The second request hits the token cache.
        for _ in 0..2 {
            let answer = site.get(&token).await;
            assert_eq!(answer.status, status, "{claims}");
            if status == 200 {
                assert_eq!(answer.body["scopes"], scopes, "{claims}");
                continue;
            }
            let challenge = answer.challenge();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
            assert!(
                challenge.contains(r#"error="insufficient_scope""#),
                "{challenge}"
            );
            assert!(
                challenge.contains(r#"scope="tools:use tools:see""#),
                "{challenge}"
            );
            assert!(
                challenge.contains(&site.metadata_parameter()),
                "{challenge}"
            );
            assert_eq!(answer.body["error"], "insufficient_scope");
        }
    }
    // Expiry is checked first, so that the client renews its token before it asks for more scopes.
    let token = issuer.token(|claims| claims["exp"] = json!(1));
    assert_eq!(site.get(&token).await.status, 401);
}

#[tokio::test]
async fn a_challenge_lists_all_valid_scopes_of_the_operation() {
    let issuer = Issuer::start().await;
    for (required, needed, listed) in [
        (
            vec!["use"],
            vec!["write", "read"],
            r#"scope="use write read""#,
        ),
        (
            vec!["use"],
            vec!["use", "read", "read"],
            r#"scope="use read""#,
        ),
        (vec![], vec!["read"], r#"scope="read""#),
        (
            vec!["use"],
            vec!["offline_access", "read"],
            r#"scope="use read""#,
        ),
        (
            vec!["use"],
            vec!["x\", error=\"none", "a b", "\r\n", "ü", ""],
            r#"scope="use""#,
        ),
    ] {
        let owned = |scopes: &[&str]| {
            scopes
                .iter()
                .map(|scope| (*scope).to_owned())
                .collect::<Vec<_>>()
        };
        let mut config = config(&issuer);
        config.required_scopes = owned(&required);
        let guard = Guard::build(config).unwrap();
        let response = guard.insufficient_scope(&owned(&needed));
        assert_eq!(response.status(), 403);
        let challenges: Vec<_> = response
            .headers()
            .get_all("www-authenticate")
            .iter()
            .collect();
        assert_eq!(challenges.len(), 1);
        let challenge = challenges[0].to_str().unwrap();
        assert!(challenge.contains(listed), "{challenge}");
        assert_eq!(
            guard.insufficient_scope_error(&owned(&needed)).error(),
            "insufficient_scope"
        );
    }
}

#[test]
fn only_valid_scope_tokens_can_be_required() {
    for (scope, is_requirable) in [
        ("tools:use", true),
        ("https://tools.example/use", true),
        ("!#[]~", true),
        ("offline_access", false),
        ("", false),
        ("two words", false),
        ("a\"b", false),
        ("a\\b", false),
        ("ü", false),
        ("a\n", false),
    ] {
        assert_eq!(
            toolcrib::auth::is_requirable_scope(scope),
            is_requirable,
            "{scope:?}"
        );
    }
}
