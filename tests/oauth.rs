//! Real clients, each with its own OAuth, and a certified OpenID provider: a client that knows nothing but the server's URL
//! finds the provider, registers, gets a token for this server, and a better one when a tool needs more. Then what happens
//! when the provider changes its keys, and when it is gone.
//!
//! The person at the browser is played by the test, which fills in the provider's own forms.

mod client;
mod host;
mod provider;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde_json::json;

use client::Client;
use host::{Host, challenge};
use provider::Provider;

/// The longest that one step may take: a client starts in a second or two.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_that_knows_only_the_url_gets_a_token_and_then_a_better_one() {
    for (client, revision, algorithm, sessions) in [
        ("typescript-1", "2025-11-25", "RS256", false),
        ("typescript-1", "2025-11-25", "ES256", true),
        ("typescript-2", "2026-07-28", "RS256", false),
        ("python", "2026-07-28", "ES256", false),
    ] {
        let provider = Provider::start(algorithm, &["first"]);
        let host = Host::start_with(&provider, &format!("server.sessions = {sessions}"));
        let mut client = Client::start(client, &host.resource, &[]);

        let connected = json!({ "revision": revision, "session": sessions });
        assert_eq!(client.connect().await, connected);
        let [login] = &client.logins[..] else {
            panic!("not one login: {:?}", client.logins);
        };
        let asked = parameters(login);
        assert!(login.starts_with(&provider.issuer()), "{login}");
        assert_eq!(asked["response_type"], "code", "{login}");
        assert_eq!(asked["code_challenge_method"], "S256", "{login}");
        assert_eq!(asked["resource"], host.resource, "{login}");
        assert!(is_among("tools:use", &asked["scope"]), "{login}");
        assert!(!is_among("tools:admin", &asked["scope"]), "{login}");

        // It sees what it may call. The tool sees who is calling, and the claims that were to be passed on.
        assert_eq!(client.tools().await, json!(["whoami"]));
        let caller = client.whoami().await;
        assert_eq!(caller["issuer"], provider.issuer(), "{caller}");
        assert_eq!(caller["subject"], "alice", "{caller}");
        assert_eq!(caller["client_id"], asked["client_id"], "{caller}");
        let claims = json!({ "department": "engineering" });
        assert_eq!(caller["claims"], claims, "{caller}");
        assert!(!caller.to_string().contains("tools:admin"), "{caller}");

        // One challenge names every scope of the call.
        let refused = host.call(Some(&client.token().await), "echo").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let challenge = challenge(&refused);
        for parameter in [
            "error=\"insufficient_scope\"",
            "scope=\"tools:use tools:admin\"",
        ] {
            assert!(challenge.contains(parameter), "{challenge}");
        }

        // The client takes it from there.
        assert_eq!(client.echo("hé 世界").await.unwrap(), "hé 世界");
        let [_, login] = &client.logins[..] else {
            panic!("not one login more: {:?}", client.logins);
        };
        let asked = parameters(login);
        assert!(is_among("tools:use", &asked["scope"]), "{login}");
        assert!(is_among("tools:admin", &asked["scope"]), "{login}");
        let caller = client.whoami().await;
        assert!(caller.to_string().contains("tools:admin"), "{caller}");
    }
}

#[tokio::test]
async fn a_tool_is_listed_as_soon_as_it_may_be_called() {
    let provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    for name in ["typescript-1", "typescript-2", "python"] {
        let mut client = Client::start(name, &host.resource, &[]);
        client.connect().await;
        assert_eq!(client.tools().await, json!(["whoami"]), "{name}");
        client.echo("x").await.unwrap();
        assert_eq!(client.tools().await, json!(["echo", "whoami"]), "{name}");
    }
}

#[tokio::test]
async fn a_client_with_nobody_before_it_calls_what_it_may() {
    let provider = Provider::start("ES256", &["first"]);
    let host = Host::start(&provider);
    let issuer = &provider.issuer();
    let start = |secret| {
        let identity = [Provider::MACHINE, secret, issuer];
        Client::start("python", &host.resource, &identity)
    };

    let mut client = start(Provider::MACHINE_SECRET);
    client.connect().await;
    assert_eq!(client.tools().await, json!(["whoami"]));
    let caller = client.whoami().await;
    assert_eq!(caller["client_id"], Provider::MACHINE, "{caller}");
    let claims = json!({ "department": "automation" });
    assert_eq!(caller["claims"], claims, "{caller}");
    // The provider gives it no more, so that stepping up ends where it began.
    assert!(client.echo("x").await.is_err());
    assert_eq!(client.whoami().await["client_id"], Provider::MACHINE);

    let failed = start("another secret").try_connect().await.unwrap_err();
    assert!(failed.contains("invalid_client"), "{failed}");
}

#[tokio::test]
async fn only_tokens_for_this_server_are_accepted() {
    let provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let own = &host.resource;
    let base = own.trim_end_matches("/mcp");
    let good = provider.token_for(own).await;
    assert_eq!(status(&host, &good).await, StatusCode::OK);
    for other in [
        &format!("{base}/other"),
        &format!("{own}/"),
        base,
        "https://tools.example/mcp",
    ] {
        let token = provider.token_for(other).await;
        let refused = host.call(Some(&token), "whoami").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{other}");
        let challenge = challenge(&refused);
        assert!(challenge.contains("wrong audience"), "{challenge}");
    }
    // Without a resource the provider's tokens are opaque. Without a scope a token is good, and of no use.
    let opaque = provider.token("scope=tools:use").await;
    assert_eq!(status(&host, &opaque).await, StatusCode::UNAUTHORIZED);
    let useless = provider.token(&format!("resource={own}")).await;
    assert_eq!(status(&host, &useless).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn nobody_notices_new_keys() {
    let mut provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let mut early = Client::start("typescript-1", &host.resource, &[]);
    early.connect().await;

    provider.start_again("ES256", &["second", "first"]);
    assert_eq!(early.whoami().await["subject"], "alice");
    let mut late = Client::start("typescript-2", &host.resource, &[]);
    late.connect().await;
    assert_eq!(late.whoami().await["subject"], "alice");
    // By now the host has seen the new key. The old one is as good.
    assert_eq!(early.whoami().await["subject"], "alice");
    assert_eq!((early.logins.len(), late.logins.len()), (1, 1));
}

#[tokio::test]
async fn a_token_ends_with_its_key_and_its_client_gets_another() {
    let mut provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let mut early = Client::start("typescript-1", &host.resource, &[Provider::KNOWN]);
    early.connect().await;
    let old = early.token().await;

    // As long as nobody comes with a new key, the host has no reason to ask for one.
    provider.start_again("ES256", &["second"]);
    assert_eq!(status(&host, &old).await, StatusCode::OK);
    let mut late = Client::start("python", &host.resource, &[]);
    late.connect().await;
    assert_eq!(late.logins.len(), 1);

    let refused = host.call(Some(&old), "whoami").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenge(&refused);
    assert!(challenge.contains("unknown key"), "{challenge}");
    assert_eq!(early.whoami().await["subject"], "alice");
    assert_eq!(early.logins.len(), 2);
}

#[tokio::test]
async fn what_is_known_serves_on_while_the_provider_is_gone() {
    let mut provider = Provider::start("ES256", &["first"]);
    let host = Host::start(&provider);
    let fresh = Host::start(&provider);
    let waiting = provider.token_for(&fresh.resource).await;
    let mut client = Client::start("typescript-1", &host.resource, &[]);
    client.connect().await;

    provider.stop();
    // The keys are known and the token is good: calls go on, and new connections.
    assert_eq!(client.whoami().await["subject"], "alice");
    client.connect().await;
    assert_eq!(client.whoami().await["subject"], "alice");
    assert_eq!(client.logins.len(), 1);
    // Here no keys were ever known. The token may be good, so that this is no 401, and says when to come again.
    let later = fresh.call(Some(&waiting), "whoami").await;
    assert_eq!(later.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds = later.headers()[RETRY_AFTER].to_str().unwrap();
    assert!((1..=30).contains(&seconds.parse().unwrap()), "{seconds}");
    assert!(!later.headers().contains_key(WWW_AUTHENTICATE));
    // Who has no token is still told where to get one.
    let refused = fresh.call(None, "whoami").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    provider.start_again("ES256", &["second", "first"]);
    accepts_soon(&fresh, &waiting).await;
    for host in [&host, &fresh] {
        let new = provider.token_for(&host.resource).await;
        assert_eq!(status(host, &new).await, StatusCode::OK);
    }
    assert_eq!(client.whoami().await["subject"], "alice");
    let mut another = Client::start("python", &host.resource, &[]);
    another.connect().await;
    assert_eq!(another.whoami().await["subject"], "alice");
}

#[tokio::test]
async fn a_new_key_that_could_not_be_fetched_is_asked_for_again_within_seconds() {
    let mut provider = Provider::start("ES256", &["first"]);
    let host = Host::start(&provider);
    let old = provider.token_for(&host.resource).await;
    assert_eq!(status(&host, &old).await, StatusCode::OK);
    provider.start_again("ES256", &["second", "first"]);
    let new = provider.token_for(&host.resource).await;

    provider.stop();
    assert_ne!(status(&host, &new).await, StatusCode::OK);
    assert_eq!(status(&host, &old).await, StatusCode::OK);
    provider.start_again("ES256", &["second", "first"]);
    accepts_soon(&host, &new).await;
}

async fn status(host: &Host, token: &str) -> StatusCode {
    host.call(Some(token), "whoami").await.status()
}

async fn accepts_soon(host: &Host, token: &str) {
    let start = Instant::now();
    while status(host, token).await != StatusCode::OK {
        assert!(start.elapsed() < PATIENCE, "refused for {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn parameters(url: &str) -> BTreeMap<String, String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().into_owned().collect()
}

fn is_among(scope: &str, scopes: &str) -> bool {
    scopes.split(' ').any(|one| one == scope)
}

/// A port that nobody else takes until it is listened on: it is below those that the system gives out by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = std::process::id() + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (offset % 10_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
