//! With `sessions = true`, clients of the older revisions get sessions, and each belongs to whoever opened it.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, Config};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};
use crate::support::server::Host;

/// Sessions that one caller may have open.
const MAX_SESSIONS_PER_CALLER: usize = 64;

/// A host with sessions, and the issuer that it trusts.
async fn start() -> (Issuer, Host) {
    let issuer = Issuer::start().await;
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let guest = Guest::saying("greet", "hello");
    let host = Host::start(&[("guest", &guest)], |config: &mut Config| {
        config.server.sessions = true;
        config.access = Access::Guarded(Box::new(settings));
    })
    .await;
    (issuer, host)
}

fn client(host: &Host, token: &str) -> Client {
    host.client_of(Revision::November2025).with_token(token)
}

/// Opens a session: its id.
async fn open(client: &Client) -> String {
    let answer = client.initialize().await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let id = answer.header("mcp-session-id").to_owned();
    assert!(id.len() >= 32, "{answer:?}");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let accepted = Answer::to(client.post(&initialized).header("mcp-session-id", &id)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    id
}

/// Calls the tool in a session.
async fn call(client: &Client, session: &str) -> Answer {
    let message = client.message("tools/call", json!({ "name": "greet", "arguments": {} }));
    Answer::to(client.post(&message).header("mcp-session-id", session)).await
}

async fn end(client: &Client, session: &str) -> StatusCode {
    let request = client
        .bare(Method::DELETE)
        .header("mcp-session-id", session);
    request.send().await.unwrap().status()
}

async fn listen(client: &Client, session: &str) -> reqwest::Response {
    let request = client.bare(Method::GET).header("mcp-session-id", session);
    request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_session_belongs_to_who_opened_it() {
    let (issuer, host) = start().await;
    let token = |change: &dyn Fn(&mut Value)| issuer.token(|claims| change(claims));
    let alice = client(&host, &token(&|_| {}));
    let id = open(&alice).await;
    assert_eq!(call(&alice, &id).await.text(), "hello");

    // A caller is issuer, subject and client; a new token of the same caller is no other caller.
    let renewed = client(&host, &token(&|claims| claims["jti"] = "another".into()));
    assert_eq!(call(&renewed, &id).await.text(), "hello");

    let others = [
        client(&host, &token(&|claims| claims["sub"] = "bob".into())),
        client(
            &host,
            &token(&|claims| claims["client_id"] = "another".into()),
        ),
    ];
    for other in &others {
        let answer = call(other, &id).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
        assert!(answer.message().contains("initialize"), "{answer:?}");
        assert_eq!(end(other, &id).await, StatusCode::NOT_FOUND);
        assert_eq!(listen(other, &id).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(
        call(&alice, &id).await.text(),
        "hello",
        "nobody else ended it"
    );
    assert_eq!(end(&alice, &id).await, StatusCode::NO_CONTENT);
    assert_eq!(call(&alice, &id).await.status, StatusCode::NOT_FOUND);
    assert_eq!(end(&alice, &id).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_caller_has_a_bounded_number_of_sessions() {
    let (issuer, host) = start().await;
    let alice = client(&host, &issuer.token(|_| {}));
    let bob = client(&host, &issuer.token(|claims| claims["sub"] = "bob".into()));
    let mut last = String::new();
    for _ in 0..MAX_SESSIONS_PER_CALLER {
        last = open(&alice).await;
    }
    let refused = alice.initialize().await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    open(&bob).await;
    assert_eq!(end(&alice, &last).await, StatusCode::NO_CONTENT);
    open(&alice).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let (issuer, host) = start().await;
    let alice = client(&host, &issuer.token(|_| {}));
    let id = open(&alice).await;
    let short = issuer.token(|claims| claims["exp"] = (now_seconds() + 2).into());
    let started = Instant::now();
    let stream = listen(&client(&host, &short), &id).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.bytes()).await;
    assert!(ended.is_ok(), "the stream outlives its token");
    assert!(started.elapsed() < Duration::from_secs(10));
    // The session itself lives on for a caller with a good token.
    assert_eq!(call(&alice, &id).await.text(), "hello");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_streams() {
    let (issuer, mut host) = start().await;
    let alice = client(&host, &issuer.token(|_| {}));
    let id = open(&alice).await;
    let stream = listen(&alice, &id).await;
    assert_eq!(stream.status(), StatusCode::OK);
    host.stop();
    let stopped = tokio::time::timeout(Duration::from_secs(20), host.stopped()).await;
    assert!(stopped.is_ok(), "the shutdown waits for a stream");
}

#[tokio::test]
async fn newer_clients_have_no_session() {
    let (issuer, host) = start().await;
    let modern = host.client().with_token(&issuer.token(|_| {}));
    let message = modern.message("tools/call", json!({ "name": "greet", "arguments": {} }));
    let answer = Answer::to(modern.post(&message).header("mcp-session-id", "made-up")).await;
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.header("mcp-session-id"), "");
}

#[tokio::test]
async fn without_sessions_none_is_opened() {
    let host = Host::of(&Guest::saying("greet", "hello")).await;
    let client = host.client_of(Revision::November2025);
    let answer = client.initialize().await;
    assert_eq!(answer.header("mcp-session-id"), "", "{answer:?}");
    for method in [Method::GET, Method::DELETE] {
        let response = client
            .bare(method)
            .header("mcp-session-id", "x")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
