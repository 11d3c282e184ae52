//! Real MCP clients, each with its own OAuth implementation, against a certified OpenID provider.
//!
//! A client that knows only the server's URL discovers the provider, registers itself, obtains a token for this server,
//! and asks for more scopes when a tool needs them (step-up authorization). Other tests rotate the provider's keys and
//! stop it. The tests play the user at the browser and fill in the provider's own forms.

mod client;
mod host;
mod page;
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

/// Time limit of one step. A client starts in a second or two.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_that_knows_only_the_url_obtains_tokens_and_steps_up() {
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
            panic!("expected one login: {:?}", client.logins);
        };
        let requested = parameters(login);
        assert!(login.starts_with(&provider.issuer()), "{login}");
        assert_eq!(requested["response_type"], "code", "{login}");
        assert_eq!(requested["code_challenge_method"], "S256", "{login}");
        assert_eq!(requested["resource"], host.resource, "{login}");
        assert!(contains_scope(&requested["scope"], "tools:use"), "{login}");
        assert!(
            !contains_scope(&requested["scope"], "tools:admin"),
            "{login}"
        );

        // The list contains what the client may call. The tool sees its caller and the configured claims.
        assert_eq!(client.tools().await, json!(["whoami"]));
        let caller = client.whoami().await;
        assert_eq!(caller["issuer"], provider.issuer(), "{caller}");
        assert_eq!(caller["subject"], "alice", "{caller}");
        assert_eq!(caller["client_id"], requested["client_id"], "{caller}");
        let claims = json!({ "department": "engineering" });
        assert_eq!(caller["claims"], claims, "{caller}");
        assert!(!caller.to_string().contains("tools:admin"), "{caller}");

        // The challenge names all scopes of the call.
        let refused = host.call(Some(&client.token().await), "echo").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let challenge = challenge(&refused);
        for parameter in [
            "error=\"insufficient_scope\"",
            "scope=\"tools:use tools:admin\"",
        ] {
            assert!(challenge.contains(parameter), "{challenge}");
        }

        // The client steps up by itself.
        assert_eq!(client.echo("hé 世界").await.unwrap(), "hé 世界");
        let [_, login] = &client.logins[..] else {
            panic!("expected two logins: {:?}", client.logins);
        };
        let requested = parameters(login);
        assert!(contains_scope(&requested["scope"], "tools:use"), "{login}");
        assert!(
            contains_scope(&requested["scope"], "tools:admin"),
            "{login}"
        );
        let caller = client.whoami().await;
        assert!(caller.to_string().contains("tools:admin"), "{caller}");
    }
}

#[tokio::test]
async fn a_tool_is_listed_once_its_scope_is_granted() {
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
async fn a_client_without_a_user_is_limited_to_its_own_scopes() {
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
    // The provider grants it no more scopes, so stepping up fails.
    assert!(client.echo("x").await.is_err());
    assert_eq!(client.whoami().await["client_id"], Provider::MACHINE);

    let failed = start("another secret").try_connect().await.unwrap_err();
    assert!(failed.contains("invalid_client"), "{failed}");
}

#[tokio::test]
async fn only_tokens_for_this_resource_are_accepted() {
    let provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let resource = &host.resource;
    let base = resource.trim_end_matches("/mcp");
    let valid = provider.token_for(resource).await;
    assert_eq!(status(&host, &valid).await, StatusCode::OK);
    for other in [
        &format!("{base}/other"),
        &format!("{resource}/"),
        base,
        "https://tools.example/mcp",
    ] {
        let token = provider.token_for(other).await;
        let refused = host.call(Some(&token), "whoami").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{other}");
        let challenge = challenge(&refused);
        assert!(challenge.contains("wrong audience"), "{challenge}");
    }
    // Without a resource parameter, the provider issues an opaque token. Without a scope, the token is valid but grants
    // nothing.
    let opaque = provider.token("scope=tools:use").await;
    assert_eq!(status(&host, &opaque).await, StatusCode::UNAUTHORIZED);
    let without_scope = provider.token(&format!("resource={resource}")).await;
    assert_eq!(status(&host, &without_scope).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn key_rotation_is_invisible_to_clients() {
    let mut provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let mut early = Client::start("typescript-1", &host.resource, &[]);
    early.connect().await;

    provider.restart("ES256", &["second", "first"]);
    assert_eq!(early.whoami().await["subject"], "alice");
    let mut late = Client::start("typescript-2", &host.resource, &[]);
    late.connect().await;
    assert_eq!(late.whoami().await["subject"], "alice");
    // The host has fetched the new key by now. The old one is still published and accepted.
    assert_eq!(early.whoami().await["subject"], "alice");
    assert_eq!((early.logins.len(), late.logins.len()), (1, 1));
}

#[tokio::test]
async fn tokens_of_a_removed_key_are_refused_and_the_client_logs_in_again() {
    let mut provider = Provider::start("RS256", &["first"]);
    let host = Host::start(&provider);
    let mut early = Client::start("typescript-1", &host.resource, &[Provider::REGISTERED]);
    early.connect().await;
    let old = early.token().await;

    // The host fetches keys again only when a token with an unknown key arrives.
    provider.restart("ES256", &["second"]);
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
async fn known_keys_and_tokens_stay_valid_while_the_provider_is_down() {
    let mut provider = Provider::start("ES256", &["first"]);
    let host = Host::start(&provider);
    let fresh = Host::start(&provider);
    let unverified = provider.token_for(&fresh.resource).await;
    let mut client = Client::start("typescript-1", &host.resource, &[]);
    client.connect().await;

    provider.stop();
    // Keys are cached and the token is valid, so calls and new connections succeed.
    assert_eq!(client.whoami().await["subject"], "alice");
    client.connect().await;
    assert_eq!(client.whoami().await["subject"], "alice");
    assert_eq!(client.logins.len(), 1);
    // This host never fetched keys. The token may be valid, so the response is 503 with `Retry-After` instead of 401.
    let unavailable = fresh.call(Some(&unverified), "whoami").await;
    assert_eq!(unavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds = unavailable.headers()[RETRY_AFTER].to_str().unwrap();
    assert!((1..=30).contains(&seconds.parse().unwrap()), "{seconds}");
    assert!(!unavailable.headers().contains_key(WWW_AUTHENTICATE));
    // A request without a token still receives the challenge.
    let refused = fresh.call(None, "whoami").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    provider.restart("ES256", &["second", "first"]);
    wait_until_accepted(&fresh, &unverified).await;
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
async fn a_failed_key_fetch_is_retried_within_seconds() {
    let mut provider = Provider::start("ES256", &["first"]);
    let host = Host::start(&provider);
    let old = provider.token_for(&host.resource).await;
    assert_eq!(status(&host, &old).await, StatusCode::OK);
    provider.restart("ES256", &["second", "first"]);
    let new = provider.token_for(&host.resource).await;

    provider.stop();
    assert_ne!(status(&host, &new).await, StatusCode::OK);
    assert_eq!(status(&host, &old).await, StatusCode::OK);
    provider.restart("ES256", &["second", "first"]);
    wait_until_accepted(&host, &new).await;
}

async fn status(host: &Host, token: &str) -> StatusCode {
    host.call(Some(token), "whoami").await.status()
}

async fn wait_until_accepted(host: &Host, token: &str) {
    let start = Instant::now();
    while status(host, token).await != StatusCode::OK {
        assert!(
            start.elapsed() < STEP_TIMEOUT,
            "still refused after {STEP_TIMEOUT:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn parameters(url: &str) -> BTreeMap<String, String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().into_owned().collect()
}

fn contains_scope(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|found| found == scope)
}

/// Returns a free port below the system's ephemeral range, so that it stays free until the caller listens on it.
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
