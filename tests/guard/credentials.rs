//! How credentials are sent, what a refusal says, and what the log says.

use super::*;
use crate::support::issuer::SigningKey;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use toolcrib::auth::MAX_AUTHORIZATION_BYTES;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::test]
async fn credentials() {
    let issuer = Issuer::start().await;
    let mut settings = settings(&issuer);
    settings.required_scopes = vec!["tools:use".to_owned()];
    let site = Site::start(settings).await;
    let token = issuer.token(|claims| claims["scope"] = json!("tools:use"));
    let long = |bytes: usize| format!("Bearer {}", "a".repeat(bytes - "Bearer ".len()));
    #[rustfmt::skip] // A case a line.
    let cases: Vec<(&str, Vec<String>, u16, Option<&str>)> = vec![
        ("the token", vec![format!("Bearer {token}")], 200, None),
        ("bearer", vec![format!("bearer {token}")], 200, None),
        ("BEARER", vec![format!("BEARER {token}")], 200, None),
        ("two blanks", vec![format!("Bearer  {token}")], 200, None),
        ("none", vec![], 401, None),
        ("two headers", vec![format!("Bearer {token}"), format!("Bearer {token}")], 400, Some("invalid_request")),
        ("two schemes", vec![format!("Bearer {token}"), "Basic YTpi".to_owned()], 400, Some("invalid_request")),
        ("two in one", vec![format!("Bearer {token}, Bearer {token}")], 400, Some("invalid_request")),
        ("Basic", vec!["Basic YTpi".to_owned()], 400, Some("invalid_request")),
        ("DPoP", vec![format!("DPoP {token}")], 400, Some("invalid_request")),
        ("no scheme", vec![token.clone()], 400, Some("invalid_request")),
        ("Bearer alone", vec!["Bearer".to_owned()], 400, Some("invalid_request")),
        ("Bearer and a blank", vec!["Bearer ".to_owned()], 400, Some("invalid_request")),
        ("Bearer with =", vec!["Bearer =".to_owned()], 400, Some("invalid_request")),
        ("two words", vec![format!("Bearer {token} x")], 400, Some("invalid_request")),
        ("a quoted token", vec![format!("Bearer \"{token}\"")], 400, Some("invalid_request")),
        ("a parameter", vec![format!("Bearer token={token}")], 400, Some("invalid_request")),
        ("empty", vec![String::new()], 400, Some("invalid_request")),
        ("no ASCII", vec!["Bearer tökén".to_owned()], 400, Some("invalid_request")),
        ("the longest", vec![long(MAX_AUTHORIZATION_BYTES)], 401, Some("invalid_token")),
        ("longer", vec![long(MAX_AUTHORIZATION_BYTES + 1)], 431, None),
    ];
    for (name, headers, status, error) in cases {
        let mut request = site.request(Method::GET, "/mcp");
        for header in headers {
            request = request.header("authorization", header.into_bytes());
        }
        let answer = Answer::of(request).await;
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
            challenge.contains(&site.challenged_metadata()),
            "{name}: {challenge}"
        );
        assert!(
            challenge.contains(r#"scope="tools:use""#),
            "{name}: {challenge}"
        );
        match error {
            None => assert!(!challenge.contains("error"), "{name}: {challenge}"),
            Some(error) => {
                assert!(
                    challenge.contains(&format!(r#"error="{error}""#)),
                    "{name}: {challenge}"
                );
            }
        }
    }
    let bare = Answer::of(site.request(Method::GET, "/mcp")).await;
    let url = site.guard.metadata_url();
    assert_eq!(
        bare.challenge(),
        format!(r#"Bearer resource_metadata="{url}", scope="tools:use""#)
    );
}

#[tokio::test]
async fn a_token_elsewhere_is_not_looked_at() {
    let issuer = Issuer::start().await;
    let site = Site::start(settings(&issuer)).await;
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
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 401, "{name}");
        assert!(!answer.challenge().contains("error"), "{name}");
    }
    // Beside a good header it does no harm either.
    let both = site
        .request(Method::GET, "/mcp?access_token=x")
        .bearer_auth(&token);
    assert_eq!(Answer::of(both).await.status, 200);
}

#[tokio::test]
async fn a_protocol_gives_refusals_its_own_body() {
    let issuer = Issuer::start().await;
    let guard = Guard::build(settings(&issuer)).unwrap();
    let layer = guard.layer().with_body(
        |refusal| json!({ "code": refusal.status().as_u16(), "message": refusal.error() }),
    );
    let app = Router::new()
        .route("/mcp", any(|| async { "in" }))
        .layer(layer);
    let url = serve(app).await;
    let answer = Answer::of(client().get(format!("{url}/mcp"))).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.body,
        json!({ "code": 401, "message": "unauthorized" })
    );
    assert!(answer.challenge().starts_with("Bearer resource_metadata="));
}

/// The token, the claims and the keys' secrets reach no log; a refusal does, with its reason.
#[tokio::test(flavor = "current_thread")]
async fn logs() {
    let lines = Lines::default();
    let writer = lines.clone();
    // With one subscriber alone, a thread without any could switch an event off for all.
    let _second = tracing_subscriber::registry().set_default();
    let _logging = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .set_default();
    let issuer = Issuer::start().await;
    let mut settings = settings(&issuer);
    settings.required_scopes = vec!["tools:use".to_owned()];
    let guard = Guard::build(settings).unwrap();
    let site = Site::start_with(guard, "").await;
    let marked = |change: &dyn Fn(&mut Value)| {
        issuer.token(|claims| {
            claims["sub"] = json!("marked-subject");
            claims["email"] = json!("marked-email");
            change(claims);
        })
    };
    let mut said = BTreeSet::new();
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
            said.insert(
                answer.body["error_description"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        let log = lines.text();
        assert!(!log.contains("marked"), "{log}");
        assert!(token.len() < 20 || !log.contains(&token[..20]), "{log}");
    }
    let log = lines.text();
    for reason in &said {
        let line = log.lines().find(|line| line.contains(reason.as_str()));
        let line = line.unwrap_or_else(|| panic!("{reason} is not in {log}"));
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
    assert_eq!(said.len(), 6, "{said:?}");
}

/// What was logged.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
