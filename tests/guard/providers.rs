//! Tokens as single providers issue them: scopes and audience in other claims, tenants, and other types.

use super::*;
use crate::support::issuer::SigningKey;

#[tokio::test]
async fn scopes_come_from_the_configured_claims() {
    let issuer = Issuer::start().await;
    let all = [
        "scope",
        "scp",
        "roles",
        "/realm_access/roles",
        "https://tools.example/groups",
    ];
    for (claims, by_default, if_configured) in [
        (json!({ "scope": "tools:use" }), 200, 200),
        (json!({ "scp": ["tools:use"] }), 200, 200),
        (json!({ "roles": ["tools:use"] }), 403, 200),
        (json!({ "roles": "other tools:use" }), 403, 200),
        (
            json!({ "realm_access": { "roles": ["tools:use"] } }),
            403,
            200,
        ),
        (
            json!({ "https://tools.example/groups": ["tools:use"] }),
            403,
            200,
        ),
        // Not these claims.
        (json!({ "permissions": ["tools:use"] }), 403, 403),
        (json!({ "/realm_access/roles": ["tools:use"] }), 403, 403),
        (json!({ "realm_access": ["tools:use"] }), 403, 403),
        (
            json!({ "realm_access": { "roles": { "tools:use": true } } }),
            403,
            403,
        ),
        (json!({ "roles": [["tools:use"]] }), 403, 403),
        (json!({ "roles": ["other tools:use"] }), 403, 403),
    ] {
        for (scope_claims, status) in [(None, by_default), (Some(all), if_configured)] {
            let mut config = config(&issuer);
            config.required_scopes = vec!["tools:use".to_owned()];
            if let Some(scope_claims) = scope_claims {
                config.scope_claims = scope_claims.map(str::to_owned).to_vec();
            }
            let site = Site::start(config).await;
            let token = issuer.token(|token_claims| {
                for (name, value) in claims.as_object().unwrap() {
                    token_claims[name] = value.clone();
                }
            });
            let answer = site.get(&token).await;
            assert_eq!(answer.status, status, "{claims}: {answer:?}");
            let findings = site.guard.explain(&token).await;
            let is_accepted = findings.iter().all(|finding| finding.accepted);
            assert_eq!(is_accepted, status == 200, "{findings:?}");
        }
    }
}

/// A provider announces a scope in a long form, which clients request, and issues it in a short one.
#[tokio::test]
async fn a_short_scope_can_stand_for_the_announced_one() {
    let issuer = Issuer::start().await;
    let long = "api://tools.example/tools.use".to_owned();
    let mut config = config(&issuer);
    config.required_scopes = vec![long.clone()];
    config
        .scope_implies
        .insert("tools.use".to_owned(), vec![long.clone()]);
    let site = Site::start(config).await;
    for (scope, status) in [("tools.use", 200), (long.as_str(), 200), ("use", 403)] {
        let answer = site
            .get(&issuer.token(|claims| claims["scp"] = json!(scope)))
            .await;
        assert_eq!(answer.status, status, "{scope}");
    }
    let anonymous = Answer::to(site.request(Method::GET, "/mcp")).await;
    let scope = format!(r#"scope="{long}""#);
    assert!(anonymous.challenge().contains(&scope), "{anonymous:?}");
}

#[tokio::test]
async fn the_audience_can_be_in_another_claim() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.issuers[0].audience = vec!["client-1".to_owned(), "client-2".to_owned()];
    config.issuers[0].audience_claim = Some("client_id".to_owned());
    let required = &mut config.issuers[0].required_claims;
    required.insert("token_use".to_owned(), json!("access"));
    required.insert("/ext/tier".to_owned(), json!(2));
    let site = Site::start(config).await;
    type Change = fn(&mut Value);
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(&str, Change, Result<(), &str>)> = vec![
        ("a named client", |_| {}, Ok(())),
        ("the other named client", |c| c["client_id"] = json!("client-2"), Ok(())),
        ("another client", |c| c["client_id"] = json!("client-3"), Err("aud")),
        ("a prefix of a client", |c| c["client_id"] = json!("client-"), Err("aud")),
        ("no client", |c| c["client_id"] = Value::Null, Err("aud")),
        ("the client in another claim", |c| { c["client_id"] = Value::Null; c["azp"] = json!("client-1"); }, Err("aud")),
        ("an audience besides the client", |c| c["aud"] = json!("https://other.example"), Err("aud")),
        ("the client as audience, as in an ID token", |c| c["aud"] = json!("client-1"), Err("aud")),
        ("another use", |c| c["token_use"] = json!("refresh"), Err("require-claims")),
        ("no use", |c| c["token_use"] = Value::Null, Err("require-claims")),
        ("the use in a list", |c| c["token_use"] = json!(["access"]), Err("require-claims")),
        ("another nested value", |c| c["ext"]["tier"] = json!(3), Err("require-claims")),
        ("a nested value of another type", |c| c["ext"]["tier"] = json!("2"), Err("require-claims")),
        ("no nested value", |c| c["ext"] = json!(2), Err("require-claims")),
    ];
    for (name, change, outcome) in cases {
        let token = issuer.token(|claims| {
            claims.as_object_mut().unwrap().remove("aud");
            claims["client_id"] = json!("client-1");
            claims["token_use"] = json!("access");
            claims["ext"] = json!({ "tier": 2 });
            change(claims);
        });
        let answer = site.get(&token).await;
        let findings = site.guard.explain(&token).await;
        let failed: Vec<_> = findings
            .iter()
            .filter(|f| !f.accepted)
            .map(|f| f.name)
            .collect();
        match outcome {
            Ok(()) => assert_eq!(answer.status, 200, "{name}: {answer:?}"),
            Err(check) => {
                assert_eq!(answer.status, 401, "{name}: {answer:?}");
                assert!(failed.contains(&check), "{name}: {findings:?}");
            }
        }
        assert_eq!(failed.is_empty(), outcome.is_ok(), "{name}: {findings:?}");
    }
}

#[tokio::test]
async fn tokens_of_the_listed_tenants_are_accepted() {
    let server = Issuer::start().await;
    let issuer_of = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
    let mut config = config(&server);
    config.issuers[0].issuer = issuer_of("{tenant}");
    config.issuers[0].tenants = vec!["t-1".to_owned(), "t-2".to_owned()];
    let site = Site::start(config).await;
    for (iss, tid, status) in [
        (issuer_of("t-1"), json!("t-1"), 200),
        (issuer_of("t-2"), json!("t-2"), 200),
        (issuer_of("t-2"), Value::Null, 200),
        (issuer_of("t-2"), json!("t-1"), 401),
        (issuer_of("t-2"), json!(["t-2"]), 401),
        (issuer_of("t-3"), json!("t-3"), 401),
        (issuer_of("{tenant}"), json!("{tenant}"), 401),
        (issuer_of(""), json!(""), 401),
        (issuer_of("t-1/../t-2"), json!("t-2"), 401),
        (format!("{}/", issuer_of("t-1")), json!("t-1"), 401),
    ] {
        let token = server.token(|claims| {
            claims["iss"] = json!(iss);
            claims["tid"] = tid.clone();
        });
        let answer = site.get(&token).await;
        assert_eq!(answer.status, status, "{iss} {tid}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.body["issuer"], iss);
        }
    }
    let metadata = Answer::to(site.request(Method::GET, METADATA_PATH)).await;
    let servers = json!([issuer_of("t-1"), issuer_of("t-2")]);
    assert_eq!(metadata.body["authorization_servers"], servers);
    // Without tenants, `tid` is a claim like any other.
    let site = Site::start(super::config(&server)).await;
    let token = server.token(|claims| claims["tid"] = json!("t-3"));
    assert_eq!(site.get(&token).await.status, 200);
}

/// Each tenant has its own keys: a key of one tenant signs no tokens of another.
#[tokio::test]
async fn tenants_have_their_own_metadata_and_keys() {
    let server = Issuer::start().await;
    let mut config = GuardConfig::new(AUDIENCE, format!("{}/{{tenant}}", server.url()), AUDIENCE);
    config.issuers[0].tenants = vec!["t-1".to_owned(), "t-2".to_owned()];
    let site = Site::start(config).await;
    let iss = format!("{}/t-1", server.url());
    server.serve_metadata_at("/.well-known/oauth-authorization-server/t-1");
    server.serve_metadata(json!({ "issuer": iss, "jwks_uri": server.jwks_uri() }));
    let token = |tenant: &str| {
        server.token(|claims| claims["iss"] = json!(format!("{}/{tenant}", server.url())))
    };
    assert_eq!(site.get(&token("t-1")).await.status, 200);
    assert_eq!(
        site.get(&token("t-2")).await.status,
        503,
        "its metadata is missing"
    );
    let problems = site.guard.key_problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("/t-2") && problems[0].contains("404"),
        "{problems:?}"
    );

    // The JWK set's URL may name the tenant too.
    let mut config = super::config(&server);
    config.issuers[0].issuer = "https://login.example/{tenant}".to_owned();
    config.issuers[0].tenants = vec!["t-1".to_owned(), "t-2".to_owned()];
    config.issuers[0].keys = jwks(&format!("{}/{{tenant}}/jwks", server.url()));
    let site = Site::start(config).await;
    let fetches = server.jwks_fetches();
    for tenant in ["t-1", "t-2", "t-1"] {
        let token =
            server.token(|claims| claims["iss"] = json!(format!("https://login.example/{tenant}")));
        assert_eq!(site.get(&token).await.status, 200, "{tenant}");
    }
    assert_eq!(server.jwks_fetches() - fetches, 2);
}

/// Users and clients whose names read alike are different callers, for the guard and for guests, which see the subject.
#[tokio::test]
async fn a_user_is_never_taken_for_a_client() {
    let issuer = Issuer::start().await;
    let guard = Guard::build(config(&issuer)).unwrap();
    let mut callers: Vec<Arc<Caller>> = Vec::new();
    for (sub, client, subject) in [
        (None, "x", "client:x"),
        (Some("client:x"), "x", "user:client:x"),
        (Some("user:client:x"), "x", "user:user:client:x"),
        (None, "client:x", "client:client:x"),
        (Some("client:client:x"), "x", "user:client:client:x"),
        (Some("x"), "x", "x"),
        (Some("user:x"), "x", "user:x"),
        (Some("Client:x"), "x", "Client:x"),
        (Some("a client:x"), "x", "a client:x"),
    ] {
        let token = issuer.token(|claims| {
            claims["sub"] = json!(sub);
            claims["client_id"] = json!(client);
        });
        let caller = guard.verify(&token).await.unwrap();
        assert_eq!(caller.subject, subject);
        for other in &callers {
            assert!(!caller.is_same_caller(other), "{caller:?} {other:?}");
            assert_ne!(caller.user_key(), other.user_key());
            assert_ne!(caller.user_client_key(), other.user_client_key());
        }
        callers.push(caller);
    }
}

#[tokio::test]
async fn the_type_of_a_token_may_be_the_media_type_of_a_jwt() {
    let issuer = Issuer::start().await;
    let key: SigningKey = issuer.first_key();
    let claims = issuer.claims(|_| {}).to_string();
    for (require_at_jwt, typ, status) in [
        (false, "application/jwt", 200),
        (false, "Application/JWT", 200),
        (false, "application/jwt+x", 401),
        (false, "text/jwt", 401),
        (true, "application/jwt", 401),
    ] {
        let mut config = config(&issuer);
        config.require_at_jwt = require_at_jwt;
        let site = Site::start(config).await;
        let header = json!({ "alg": "ES256", "typ": typ }).to_string();
        let answer = site.get(&key.sign(&header, &claims)).await;
        assert_eq!(answer.status, status, "{require_at_jwt} {typ}");
    }
}
