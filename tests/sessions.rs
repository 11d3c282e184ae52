//! Sessions (`sessions = true`) of the older revisions behind the guard: ownership, limits and expiry.

mod streams;

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

/// Starts a call that never returns, and waits until it has the only place of its component.
async fn start_spinning(client: &Client, session: &str, accept: &'static str) -> Spinning {
    let mut spin = client.message("tools/call", json!({ "name": "spins", "arguments": {} }));
    spin["id"] = 2.into();
    let request = client.post(&spin).header("mcp-session-id", session);
    let mut request = request.build().unwrap();
    request
        .headers_mut()
        .insert("accept", accept.parse().unwrap());
    let spinning = tokio::spawn(reqwest::Client::new().execute(request));
    let started = Instant::now();
    while call(client, session).await.status == StatusCode::OK {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    spinning
}

type Spinning = tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>;

/// A component with one place, whose calls would not end by themselves in the time of a test.
fn one_place(config: &mut Config) {
    config.limits.concurrency = 1;
    config.limits.time = Duration::from_secs(600);
    config.limits.cpu = Duration::from_secs(600);
}

/// Waits until another call gets the place, and returns the time that it took.
async fn wait_for_place(client: &Client, session: &str) -> Duration {
    let started = Instant::now();
    while call(client, session).await.status != StatusCode::OK {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    started.elapsed()
}

/// `rmcp` alone would let the calls go on for five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_stops_its_calls() {
    let (issuer, host) = start_with(one_place).await;
    let client = client(&host, &issuer.token(|_| {}));
    let other = open(&client).await;
    for accept in ["application/json", "application/json, text/event-stream"] {
        let session = open(&client).await;
        let spinning = start_spinning(&client, &session, accept).await;
        assert_eq!(delete(&client, &session).await, StatusCode::NO_CONTENT);
        let waited = wait_for_place(&client, &other).await;
        assert!(waited < Duration::from_secs(4), "{accept}: {waited:?}");
        drop(spinning.await.unwrap());
    }
}

/// Without an event stream, a client cannot fetch the response later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_event_streams_that_disconnects_stops_its_call() {
    let (issuer, host) = start_with(one_place).await;
    let client = client(&host, &issuer.token(|_| {}));
    let session = open(&client).await;
    for _ in 0..2 {
        // The id of the stopped request is free again.
        let spinning = start_spinning(&client, &session, "application/json").await;
        spinning.abort();
        wait_for_place(&client, &session).await;
    }
    // The response to a client with event streams may be fetched later.
    let both = "application/json, text/event-stream";
    let spinning = start_spinning(&client, &session, both).await;
    drop(spinning.await.unwrap());
    let refused = call(&client, &session).await;
    let (status, limit) = (refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status, limit, "{refused:?}");
}

#[tokio::test]
async fn requests_of_a_session_have_its_protocol_version() {
    let (issuer, host) = start().await;
    let client = client(&host, &issuer.token(|_| {}));
    let session = &open(&client).await;
    for (version, is_accepted) in [
        (Some("2025-11-25"), true),
        // Clients of the oldest revisions do not have the header.
        (None, true),
        (Some("2025-06-18"), false),
        (Some("2024-11-05"), false),
    ] {
        let call = client.message("tools/call", json!({ "name": "greet", "arguments": {} }));
        let session = &open(&client).await;
        let send = async |method: Method| {
            let request = match method {
                Method::POST => client.post(&call),
                _ => client.bare(method).header("accept", "text/event-stream"),
            };
            let mut request = request.header("mcp-session-id", session).build().unwrap();
            let headers = request.headers_mut();
            headers.remove("mcp-protocol-version");
            if let Some(version) = version {
                headers.insert("mcp-protocol-version", version.parse().unwrap());
            }
            reqwest::Client::new().execute(request).await.unwrap()
        };
        for (method, accepted) in [
            (Method::POST, StatusCode::OK),
            (Method::GET, StatusCode::OK),
            (Method::DELETE, StatusCode::NO_CONTENT),
        ] {
            let response = send(method.clone()).await;
            match is_accepted {
                true => assert_eq!(response.status(), accepted, "{method} {version:?}"),
                false => {
                    assert_eq!(
                        response.status(),
                        StatusCode::BAD_REQUEST,
                        "{method} {version:?}"
                    );
                    let body = response.text().await.unwrap();
                    assert!(body.contains("this session is 2025-11-25"), "{body}");
                }
            }
        }
    }
    assert_eq!(call(&client, session).await.text(), "hello");
}
