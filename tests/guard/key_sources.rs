//! Discovery and fetching of an issuer's keys.

use super::*;
use crate::support::issuer::{Failure, unsigned};

#[tokio::test]
async fn keys_are_fetched_only_for_signed_tokens_of_a_trusted_issuer() {
    let issuer = Issuer::start().await;
    let discover = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    for config in [discover, config(&issuer)] {
        let site = Site::start(config).await;
        for request in [
            site.request(Method::GET, "/mcp"),
            site.request(Method::GET, METADATA_PATH),
            site.request(Method::GET, "/mcp").bearer_auth("garbage"),
            site.request(Method::GET, "/mcp")
                .bearer_auth(issuer.token(|claims| claims["iss"] = json!("https://other.example"))),
            site.request(Method::GET, "/mcp").bearer_auth(format!(
                "{}.",
                unsigned(r#"{"alg":"none"}"#, issuer.claims(|_| {}).to_string())
            )),
        ] {
            Answer::to(request).await;
        }
    }
    assert_eq!((issuer.jwks_fetches(), issuer.metadata_fetches()), (0, 0));
}

#[tokio::test]
async fn keys_are_discovered_from_issuer_metadata() {
    for (path, metadata_path, status, metadata_fetches) in [
        ("", "/.well-known/oauth-authorization-server", 200, 1),
        ("", "/.well-known/openid-configuration", 200, 2),
        ("", "/nowhere", 503, 2),
        (
            "/tenant",
            "/.well-known/oauth-authorization-server/tenant",
            200,
            1,
        ),
        (
            "/tenant",
            "/.well-known/openid-configuration/tenant",
            200,
            2,
        ),
        (
            "/tenant",
            "/tenant/.well-known/openid-configuration",
            200,
            3,
        ),
        ("/tenant", "/.well-known/oauth-authorization-server", 503, 3),
        (
            "/tenant",
            "/tenant/.well-known/oauth-authorization-server",
            503,
            3,
        ),
    ] {
        let issuer = Issuer::start_at(path).await;
        issuer.serve_metadata_at(metadata_path);
        let site = Site::start(GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE)).await;
        assert_eq!(
            site.get(&issuer.token(|_| {})).await.status,
            status,
            "{path} {metadata_path}"
        );
        assert_eq!(
            issuer.metadata_fetches(),
            metadata_fetches,
            "{path} {metadata_path}"
        );
        assert_eq!(
            issuer.jwks_fetches(),
            usize::from(status == 200),
            "{path} {metadata_path}"
        );
    }
}

#[tokio::test]
async fn invalid_issuer_metadata_is_rejected() {
    let issuer = Issuer::start().await;
    let jwks_uri = issuer.jwks_uri();
    let port = issuer.url().rsplit(':').next().unwrap();
    let url = issuer.url();
    for (name, metadata, status, why) in [
        (
            "valid",
            json!({ "issuer": url, "jwks_uri": jwks_uri }),
            200,
            "",
        ),
        (
            "a trailing slash",
            json!({ "issuer": format!("{url}/"), "jwks_uri": jwks_uri }),
            200,
            "",
        ),
        (
            "another loopback name",
            json!({ "issuer": url, "jwks_uri": format!("http://localhost:{port}/jwks") }),
            200,
            "",
        ),
        (
            "another issuer",
            json!({ "issuer": "https://evil.example", "jwks_uri": jwks_uri }),
            503,
            "another issuer's",
        ),
        (
            "an additional path",
            json!({ "issuer": format!("{url}/a"), "jwks_uri": jwks_uri }),
            503,
            "another issuer's",
        ),
        (
            "no issuer",
            json!({ "jwks_uri": jwks_uri }),
            503,
            "no issuer metadata",
        ),
        (
            "no jwks_uri",
            json!({ "issuer": url }),
            503,
            "no issuer metadata",
        ),
        (
            "a jwks_uri that is not a URL",
            json!({ "issuer": url, "jwks_uri": "/jwks" }),
            503,
            "no URL",
        ),
        (
            "an http URL",
            json!({ "issuer": url, "jwks_uri": "http://keys.example/jwks" }),
            503,
            "not https",
        ),
        (
            "a file URL",
            json!({ "issuer": url, "jwks_uri": "file:///etc/passwd" }),
            503,
            "not https",
        ),
        (
            "credentials",
            json!({ "issuer": url, "jwks_uri": "https://a:b@keys.example/jwks" }),
            503,
            "credentials",
        ),
        (
            "a private address",
            json!({ "issuer": url, "jwks_uri": "https://10.0.0.1/jwks" }),
            503,
            "private",
        ),
        (
            "a private address in hex",
            json!({ "issuer": url, "jwks_uri": "https://0x0a000001/jwks" }),
            503,
            "private",
        ),
        (
            "a private address mapped into IPv6",
            json!({ "issuer": url, "jwks_uri": "https://[::ffff:10.0.0.1]/jwks" }),
            503,
            "private",
        ),
        (
            "a cloud metadata service",
            json!({ "issuer": url, "jwks_uri": "https://169.254.169.254/jwks" }),
            503,
            "private",
        ),
        (
            "a cloud metadata service over IPv6",
            json!({ "issuer": url, "jwks_uri": "https://[fd00:ec2::254]/jwks" }),
            503,
            "private",
        ),
        (
            "the unspecified address",
            json!({ "issuer": url, "jwks_uri": "https://0.0.0.0/jwks" }),
            503,
            "private",
        ),
    ] {
        issuer.serve_metadata(metadata);
        let site = Site::start(GuardConfig::new(AUDIENCE, url, AUDIENCE)).await;
        let token = issuer.token(|_| {});
        assert_eq!(site.get(&token).await.status, status, "{name}");
        let findings = format!("{:?}", site.guard.explain(&token).await);
        assert!(findings.contains(why), "{name}: {findings}");
    }
}

#[tokio::test]
async fn a_failed_fetch_is_answered_503_with_retry_after() {
    for (failure, why) in [
        (Failure::Status(500), "500"),
        (Failure::Status(404), "404"),
        (Failure::Redirect, "302"),
        (Failure::Oversized, "262144 bytes"),
        (Failure::Garbage, "no JWK set"),
        (Failure::Stall, "within 10 s"),
    ] {
        let issuer = Issuer::start().await;
        issuer.fail(Some(failure.clone()));
        let site = Site::start(config(&issuer)).await;
        let token = issuer.token(|_| {});
        let started = Instant::now();
        let answer = site.get(&token).await;
        assert!(started.elapsed() < Duration::from_secs(12), "{failure:?}");
        assert_eq!(answer.status, 503, "{failure:?}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=30).contains(&wait), "{failure:?}: {wait}");
        assert!(
            !answer.headers.contains_key("www-authenticate"),
            "{failure:?}"
        );
        assert_eq!(answer.body["error"], "temporarily_unavailable");
        assert_eq!(
            issuer.jwks_fetches(),
            1,
            "{failure:?}: no redirect is followed and no retry is made"
        );
        let findings = format!("{:?}", site.guard.explain(&token).await);
        assert!(findings.contains(why), "{failure:?}: {findings}");
        // After the wait, the recovered issuer is asked again.
        issuer.fail(None);
        site.clock.advance(Duration::from_secs(wait));
        assert_eq!(site.get(&token).await.status, 200, "{failure:?}");
    }
    // Nothing listens at the issuer's address.
    let gone = Issuer::start().await;
    let token = gone.token(|_| {});
    let site = Site::start(config(&gone)).await;
    drop(gone);
    assert_eq!(site.get(&token).await.status, 503);
}

#[tokio::test]
async fn failed_fetches_are_retried_with_backoff() {
    let issuer = Issuer::start().await;
    issuer.fail(Some(Failure::Status(500)));
    let site = Site::start(config(&issuer)).await;
    let token = issuer.token(|_| {});
    for (fetches, wait) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
        for _ in 0..5 {
            let answer = site.get(&token).await;
            assert_eq!(answer.header("retry-after"), wait.to_string());
        }
        assert_eq!(issuer.jwks_fetches(), fetches);
        site.clock.advance(Duration::from_secs(wait));
    }
}

#[tokio::test]
async fn concurrent_requests_share_one_fetch() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    let tokens: Vec<String> = (0..50)
        .map(|number| issuer.token(|claims| claims["sub"] = json!(format!("user-{number}"))))
        .collect();
    let answers = join_all(tokens.iter().map(|token| site.get(token))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(issuer.jwks_fetches(), 1);
}

/// The request that started the fetch is dropped while the fetch is running.
#[tokio::test]
async fn a_fetch_outlives_the_request_that_started_it() {
    let issuer = Issuer::start().await;
    let guard = Guard::build(config(&issuer)).unwrap();
    let token = issuer.token(|_| {});
    {
        let verify = guard.verify(&token);
        tokio::pin!(verify);
        let polled = poll_once(&mut verify).await;
        assert!(polled.is_none());
    }
    assert!(guard.verify(&token).await.is_ok());
    assert_eq!(issuer.jwks_fetches(), 1);
}
