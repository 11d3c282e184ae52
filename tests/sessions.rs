//! Sessions (`sessions = true`) of the older revisions behind the guard: ownership, limits and expiry.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, Config};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};
use crate::support::server::Host;

/// The host's limit on open sessions of one caller.
const MAX_SESSIONS_PER_CALLER: usize = 64;

/// The leeway of the guard.
const LEEWAY: Duration = Duration::from_secs(4);

/// Starts a host with sessions and the issuer that it trusts.
async fn start() -> (Issuer, Host) {
    start_with(|_| {}).await
}

/// The same, with a changed configuration.
async fn start_with(change: impl FnOnce(&mut Config)) -> (Issuer, Host) {
    let issuer = Issuer::start().await;
    let mut guard_config = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard_config.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    guard_config.leeway = LEEWAY;
    let mut guest = Guest::saying("greet", "hello");
    guest.tool(Tool::new("spins"), "(call $spin)");
    let host = Host::start(&[("guest", &guest)], |config: &mut Config| {
        config.server.sessions = true;
        config.access = Access::Guarded(Box::new(guard_config));
        change(config);
    })
    .await;
    (issuer, host)
}

fn client(host: &Host, token: &str) -> Client {
    host.client_of(Revision::November2025).with_token(token)
}

/// Opens a session and returns its id.
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

/// Deletes a session.
async fn delete(client: &Client, session: &str) -> StatusCode {
    let request = client
        .bare(Method::DELETE)
        .header("mcp-session-id", session);
    request.send().await.unwrap().status()
}

/// Opens the event stream of a session.
async fn listen(client: &Client, session: &str) -> reqwest::Response {
    let request = client.bare(Method::GET).header("mcp-session-id", session);
    request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_session_exists_only_for_the_caller_that_opened_it() {
    let (issuer, host) = start().await;
    let token = |change: &dyn Fn(&mut Value)| issuer.token(|claims| change(claims));
    let alice = client(&host, &token(&|_| {}));
    let id = open(&alice).await;
    assert_eq!(call(&alice, &id).await.text(), "hello");

    // Issuer, subject and client identify a caller, so a new token of the same caller works as well.
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
        assert_eq!(delete(other, &id).await, StatusCode::NOT_FOUND);
        assert_eq!(listen(other, &id).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(
        call(&alice, &id).await.text(),
        "hello",
        "another caller ended the session"
    );
    assert_eq!(delete(&alice, &id).await, StatusCode::NO_CONTENT);
    assert_eq!(call(&alice, &id).await.status, StatusCode::NOT_FOUND);
    assert_eq!(delete(&alice, &id).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn sessions_per_caller_are_limited() {
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
    assert_eq!(delete(&alice, &last).await, StatusCode::NO_CONTENT);
    open(&alice).await;
}

#[tokio::test]
async fn an_event_stream_ends_when_its_token_is_no_longer_accepted() {
    let (issuer, host) = start().await;
    let alice = client(&host, &issuer.token(|_| {}));
    let id = open(&alice).await;
    let started = Instant::now();
    let short = issuer.token(|claims| claims["exp"] = (now_seconds() + 1).into());
    let stream = listen(&client(&host, &short), &id).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.bytes()).await;
    assert!(ended.is_ok(), "the stream outlived its token");
    // The token expires after less than one second; then the leeway passes.
    assert!(started.elapsed() > LEEWAY, "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    // The session itself stays open.
    assert_eq!(call(&alice, &id).await.text(), "hello");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_event_streams() {
    let (issuer, mut host) = start().await;
    let alice = client(&host, &issuer.token(|_| {}));
    let id = open(&alice).await;
    let stream = listen(&alice, &id).await;
    assert_eq!(stream.status(), StatusCode::OK);
    host.stop();
    let stopped = tokio::time::timeout(Duration::from_secs(20), host.stopped()).await;
    assert!(stopped.is_ok(), "shutdown waited for an event stream");
}

#[tokio::test]
async fn the_newest_revision_ignores_session_ids() {
    let (issuer, host) = start().await;
    let modern = host.client().with_token(&issuer.token(|_| {}));
    let message = modern.message("tools/call", json!({ "name": "greet", "arguments": {} }));
    let answer = Answer::to(modern.post(&message).header("mcp-session-id", "made-up")).await;
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.header("mcp-session-id"), "");
}

#[tokio::test]
async fn no_session_is_opened_unless_configured() {
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

/// With two requests of one id in flight, both responses would be lost.
#[tokio::test]
async fn an_id_in_use_is_refused() {
    let (issuer, host) = start().await;
    let client = client(&host, &issuer.token(|_| {}));
    let session = &open(&client).await;
    // An id is free again after its response.
    for _ in 0..3 {
        assert_eq!(call(&client, session).await.text(), "hello");
    }
    let spin = client.message("tools/call", json!({ "name": "spins", "arguments": {} }));
    let post = |message: &Value| client.post(message).header("mcp-session-id", session);
    let running = post(&spin).send().await.unwrap();
    assert_eq!(running.status(), StatusCode::OK);
    let refused = call(&client, session).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    let message = refused.messages[0]["error"]["message"].as_str();
    assert!(message.unwrap().contains("use each id once"), "{refused:?}");
    let mut other = client.message("tools/call", json!({ "name": "greet", "arguments": {} }));
    other["id"] = 2.into();
    assert_eq!(Answer::to(post(&other)).await.text(), "hello");
}

#[tokio::test]
async fn a_request_that_ends_with_its_session_is_answered_without_a_failure() {
    let (issuer, host) = start_with(|config| config.limits.concurrency = 1).await;
    let client = client(&host, &issuer.token(|_| {}));
    let session = open(&client).await;
    let mut spin = client.message("tools/call", json!({ "name": "spins", "arguments": {} }));
    spin["id"] = 2.into();
    let request = client.post(&spin).header("mcp-session-id", &session);
    // Replaces the header that accepts event streams.
    let mut request = request.build().unwrap();
    let json = "application/json".parse().unwrap();
    request.headers_mut().insert("accept", json);
    let spinning = tokio::spawn(reqwest::Client::new().execute(request));
    // No other call runs beside it.
    let started = Instant::now();
    while call(&client, &session).await.status == StatusCode::OK {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(delete(&client, &session).await, StatusCode::NO_CONTENT);
    let response = spinning.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
