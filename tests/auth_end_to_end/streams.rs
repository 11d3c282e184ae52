//! The life of event streams and calls after the token of their request is no longer accepted.

use std::time::{Duration, Instant};

use serde_json::json;
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, Config};

use crate::support::client::{EventStream, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};
use crate::support::server::Host;

const LEEWAY: Duration = Duration::from_secs(1);

/// Time that the token of a request is valid, at most.
const LIFETIME: Duration = Duration::from_secs(3);

/// Time that a call takes, longer than its token is accepted.
const CALL: Duration = Duration::from_secs(6);

/// Reports progress, which opens an event stream, sleeps and returns.
fn slow_guest() -> Guest {
    let mut guest = Guest::new();
    let done = guest.string("done");
    guest.import(
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
    );
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $block (call $timer (i64.const {})))
             (call $text {done})",
            CALL.as_nanos()
        ),
    );
    guest
}

/// Starts a host whose catalog can change, and the issuer that it trusts.
async fn start() -> (Issuer, Host) {
    let issuer = Issuer::start().await;
    let mut guard = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    guard.leeway = LEEWAY;
    let host = Host::watching(&[("guest", &slow_guest())], |config: &mut Config| {
        config.access = Access::Guarded(Box::new(guard));
    })
    .await;
    (issuer, host)
}

fn short_token(issuer: &Issuer) -> String {
    issuer.token(|claims| claims["exp"] = json!(now_seconds() + LIFETIME.as_secs()))
}

#[tokio::test]
async fn a_call_runs_to_its_end_although_its_token_expires() {
    let (issuer, host) = start().await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision).with_token(&short_token(&issuer));
        let answer = client.call_with_progress("slow", json!(1)).await;
        assert!(answer.is_stream(), "{answer:?}");
        assert_eq!(answer.text(), "done", "{revision:?}");
        assert_eq!(answer.notifications("notifications/progress").len(), 1);
        // The token itself is no longer accepted.
        let answer = client.list().await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[tokio::test]
async fn a_subscription_ends_when_its_token_is_no_longer_accepted() {
    let (issuer, host) = start().await;
    let started = Instant::now();
    let client = host.client().with_token(&short_token(&issuer));
    let other = host.client().with_token(&issuer.token(|_| {}));
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let message = client.message("subscriptions/listen", params);
    let mut stream = EventStream::open(client.post(&message)).await;
    let mut unexpired = EventStream::open(other.post(&message)).await;
    let acknowledged = stream.next().await.unwrap();
    let method = "notifications/subscriptions/acknowledged";
    assert_eq!(acknowledged["method"], method);
    assert_eq!(unexpired.next().await.unwrap()["method"], method);
    assert_eq!(stream.next().await, None);
    // `exp` is in whole seconds.
    let elapsed = started.elapsed();
    assert!(
        elapsed > LIFETIME - Duration::from_secs(1) + LEEWAY,
        "{elapsed:?}"
    );
    assert!(
        elapsed < LIFETIME + LEEWAY + Duration::from_secs(10),
        "{elapsed:?}"
    );
    // A stream whose token is still valid remains.
    let end = tokio::time::timeout(Duration::from_millis(500), unexpired.next()).await;
    assert!(end.is_err(), "{end:?}");
}

/// `/readyz` reports issuers whose keys cannot be fetched, without taking the server out of service.
#[tokio::test]
async fn readiness_reports_keys_that_cannot_be_fetched() {
    let (issuer, host) = start().await;
    let ready = async || {
        let response = reqwest::get(host.url("/readyz")).await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    };
    assert_eq!(ready().await, "ready\n");
    assert_eq!(
        host.client()
            .with_token(&issuer.token(|_| {}))
            .list()
            .await
            .status,
        200
    );
    assert_eq!(ready().await, "ready\n");
    let (broken, host) = start().await;
    broken.fail(Some(crate::support::issuer::Failure::Status(500)));
    let deadline = Instant::now() + Duration::from_secs(10);
    let report = loop {
        let response = reqwest::get(host.url("/readyz")).await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        if text != "ready\n" {
            break text;
        }
        assert!(Instant::now() < deadline, "nothing is reported");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(report.starts_with("ready\n"), "{report}");
    assert!(
        report.contains(broken.url()) && report.contains("500"),
        "{report}"
    );
}
