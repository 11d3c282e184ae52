//! The `Authorization` header, error responses and log lines.

use super::*;
use crate::support::issuer::SigningKey;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use toolcrib::auth::MAX_AUTHORIZATION_BYTES;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::test]
async fn only_one_well_formed_bearer_token_is_accepted() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.required_scopes = vec!["tools:use".to_owned()];
    let site = Site::start(config).await;
    let token = issuer.token(|claims| claims["scope"] = json!("tools:use"));
    let header_of = |bytes: usize| format!("Bearer {}", "a".repeat(bytes - "Bearer ".len()));
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(&str, Vec<String>, u16, Option<&str>)> = vec![
        ("a valid token", vec![format!("Bearer {token}")], 200, None),
        ("the scheme in lower case", vec![format!("bearer {token}")], 200, None),
        ("the scheme in upper case", vec![format!("BEARER {token}")], 200, None),
        ("two spaces", vec![format!("Bearer  {token}")], 200, None),
        ("no header", vec![], 401, None),
        ("two headers", vec![format!("Bearer {token}"), format!("Bearer {token}")], 400, Some("invalid_request")),
        ("two schemes", vec![format!("Bearer {token}"), "Basic YTpi".to_owned()], 400, Some("invalid_request")),
        ("two tokens in one header", vec![format!("Bearer {token}, Bearer {token}")], 400, Some("invalid_request")),
        ("Basic", vec!["Basic YTpi".to_owned()], 401, None),
        ("DPoP", vec![format!("DPoP {token}")], 401, None),
        ("no scheme", vec![token.clone()], 401, None),
        ("no token", vec!["Bearer".to_owned()], 401, None),
        ("a space and no token", vec!["Bearer ".to_owned()], 401, None),
        ("several spaces and no token", vec!["bearer   ".to_owned()], 401, None),
        ("a scheme that begins like Bearer", vec![format!("Bearers {token}")], 401, None),
        ("another scheme that is not ASCII", vec!["Basic tökén".to_owned()], 401, None),
        ("a long ticket of another scheme", vec![format!("Negotiate {}", "a".repeat(MAX_AUTHORIZATION_BYTES))], 401, None),
        ("only padding", vec!["Bearer =".to_owned()], 400, Some("invalid_request")),
        ("two words", vec![format!("Bearer {token} x")], 400, Some("invalid_request")),
        ("a quoted token", vec![format!("Bearer \"{token}\"")], 400, Some("invalid_request")),
        ("a token parameter", vec![format!("Bearer token={token}")], 400, Some("invalid_request")),
        ("an empty header", vec![String::new()], 401, None),
        ("a token that is not ASCII", vec!["Bearer tökén".to_owned()], 400, Some("invalid_request")),
        ("the maximum length", vec![header_of(MAX_AUTHORIZATION_BYTES)], 401, Some("invalid_token")),
        ("above the maximum length", vec![header_of(MAX_AUTHORIZATION_BYTES + 1)], 431, None),
    ];
    for (name, headers, status, error) in cases {
        let mut request = site.request(Method::GET, "/mcp");
        for header in headers {
            request = request.header("authorization", header.into_bytes());
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.body["authorization"], false, "{name}");
            continue;
        }
        assert!(answer.body["error"].is_string(), "{name}: {answer:?}");
        assert!(
            answer.body["error_description"].is_string(),
            "{name}: {answer:?}"
        );
        if status == 431 {
            continue;
        }
        let challenge = answer.challenge();
        assert!(
            challenge.contains(&site.metadata_parameter()),
            "{name}: {challenge}"
        );
        assert!(
            challenge.contains(r#"scope="tools:use""#),
            "{name}: {challenge}"
        );
        match error {
            None => {
                assert!(!challenge.contains("error"), "{name}: {challenge}");
                assert_eq!(answer.body["error"], "unauthorized", "{name}");
            }
            Some(error) => {
                assert!(
                    challenge.contains(&format!(r#"error="{error}""#)),
                    "{name}: {challenge}"
                );
            }
        }
    }
    // Without credentials, the challenge carries no error code (RFC 6750, section 3.1).
    let anonymous = Answer::to(site.request(Method::GET, "/mcp")).await;
    let url = site.guard.metadata_url();
    assert_eq!(
        anonymous.challenge(),
        format!(r#"Bearer resource_metadata="{url}", scope="tools:use""#)
    );
}

#[tokio::test]
async fn tokens_outside_the_authorization_header_are_ignored() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    let token = issuer.token(|_| {});
    let form = format!("access_token={token}");
    for (name, request) in [
        (
            "query",
            site.request(Method::GET, &format!("/mcp?access_token={token}")),
        ),
        (
            "form",
            site.request(Method::POST, "/mcp")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form),
        ),
        (
            "cookie",
            site.request(Method::GET, "/mcp")
                .header("cookie", format!("access_token={token}")),
        ),
        (
            "another header",
            site.request(Method::GET, "/mcp")
                .header("x-authorization", format!("Bearer {token}")),
        ),
        (
            "proxy",
            site.request(Method::GET, "/mcp")
                .header("proxy-authorization", format!("Bearer {token}")),
        ),
    ] {
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 401, "{name}");
        assert!(!answer.challenge().contains("error"), "{name}");
    }
    // They do not invalidate a valid header either.
    let both = site
        .request(Method::GET, "/mcp?access_token=x")
        .bearer_auth(&token);
    assert_eq!(Answer::to(both).await.status, 200);
}

#[tokio::test]
async fn error_bodies_can_be_replaced_by_the_application() {
    let issuer = Issuer::start().await;
    let guard = Guard::build(config(&issuer)).unwrap();
    let layer = guard.layer().with_body(
        |refusal| json!({ "code": refusal.status().as_u16(), "message": refusal.error() }),
    );
    let app = Router::new()
        .route("/mcp", any(|| async { "in" }))
        .layer(layer);
    let url = serve(app).await;
    let answer = Answer::to(client().get(format!("{url}/mcp"))).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.body,
        json!({ "code": 401, "message": "unauthorized" })
    );
    assert!(answer.challenge().starts_with("Bearer resource_metadata="));
}

/// Every text that must stay out of the log contains `marked`.
#[tokio::test(flavor = "current_thread")]
async fn refusals_are_logged_without_tokens_or_claims() {
    let captured = CapturedLog::default();
    let writer = captured.clone();
    // While only one subscriber exists, a thread that has none can disable an event's callsite for all threads.
    let _second = tracing_subscriber::registry().set_default();
    let _logging = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .set_default();
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.required_scopes = vec!["tools:use".to_owned()];
    let guard = Guard::build(config).unwrap();
    let site = Site::start_with(guard, "").await;
    let marked = |change: &dyn Fn(&mut Value)| {
        issuer.token(|claims| {
            claims["sub"] = json!("marked-subject");
            claims["email"] = json!("marked-email");
            change(claims);
        })
    };
    let mut reasons = BTreeSet::new();
    for token in [
        marked(&|_| {}),
        marked(&|claims| claims["scope"] = json!("tools:use")),
        marked(&|claims| claims["exp"] = json!(1)),
        marked(&|claims| claims["aud"] = json!("marked-audience")),
        marked(&|claims| claims["iss"] = json!("marked-issuer")),
        SigningKey::p256("marked-kid").token(&issuer.claims(|_| {})),
        "marked-opaque".to_owned(),
    ] {
        let answer = site.get(&token).await;
        if answer.status != 200 {
            reasons.insert(
                answer.body["error_description"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        let log = captured.text();
        assert!(!log.contains("marked"), "{log}");
        assert!(token.len() < 20 || !log.contains(&token[..20]), "{log}");
    }
    let log = captured.text();
    for reason in &reasons {
        let line = log.lines().find(|line| line.contains(reason.as_str()));
        let line = line.unwrap_or_else(|| panic!("`{reason}` is not in the log: {log}"));
        assert!(
            line.contains("INFO") && line.contains("request refused"),
            "{line}"
        );
    }
    assert!(
        log.lines()
            .any(|line| line.contains("INFO") && line.contains("keys loaded")),
        "{log}"
    );
    assert_eq!(reasons.len(), 6, "{reasons:?}");
}

/// A log writer that keeps everything in memory.
#[derive(Clone, Default)]
pub(super) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
