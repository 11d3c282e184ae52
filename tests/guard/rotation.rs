//! The lifetime of fetched keys: caching, rotation, removal, outages.

use super::*;
use crate::support::issuer::{Failure, SigningKey};

#[tokio::test]
async fn cache_control_is_honoured_within_bounds() {
    for (cache_control, fresh_seconds, stale_seconds) in [
        ("", 400, 601),
        ("max-age=0", 40, 61),
        ("max-age=1", 40, 61),
        ("no-store", 400, 601),
        ("public, max-age=7200", 5700, 7201),
        ("max-age=99999999", 60_000, 24 * HOUR + 1),
        ("max-age=18446744073709551616", 400, 601),
    ] {
        let issuer = Issuer::start().await;
        issuer.set_cache_control(cache_control);
        let site = Site::start(config(&issuer)).await;
        let get = async |subject: &str| {
            let token = issuer.token(|claims| {
                claims["sub"] = json!(subject);
                claims["exp"] = json!(now_seconds() + 48 * HOUR);
            });
            assert_eq!(site.get(&token).await.status, 200, "{cache_control}");
        };
        get("a").await;
        site.clock.advance(Duration::from_secs(fresh_seconds));
        get("b").await;
        assert_eq!(issuer.jwks_fetches(), 1, "{cache_control}: fresh");
        site.clock
            .advance(Duration::from_secs(stale_seconds - fresh_seconds));
        get("c").await;
        assert_eq!(issuer.jwks_fetches(), 2, "{cache_control}: stale");
    }
}

/// Shortly before they expire, keys are refreshed while the old ones stay in use.
#[tokio::test]
async fn keys_are_refreshed_in_the_background() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=1000");
    let site = Site::start(config(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    // The issuer stalls, so requests pass at once only if none of them waits for the refresh.
    issuer.fail(Some(Failure::Stall));
    site.clock.advance(Duration::from_secs(900));
    let started = Instant::now();
    for _ in 0..5 {
        assert_eq!(site.get(&token).await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    wait_until(|| issuer.jwks_fetches() == 2).await;
}

#[tokio::test]
async fn an_unknown_key_triggers_a_fetch() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    let old = long_token(&issuer);
    assert_eq!(site.get(&old).await.status, 200);
    let new_key = SigningKey::p256("key-2");
    issuer.add_key(new_key.clone());
    assert_eq!(
        site.get(&new_key.token(&issuer.claims(|_| {})))
            .await
            .status,
        200
    );
    assert_eq!(issuer.jwks_fetches(), 2);
    assert_eq!(site.get(&old).await.status, 200);
    // Rotation works without `kid` as well.
    let third = SigningKey::p256("").without_kid();
    issuer.add_key(third.clone());
    site.clock.advance(Duration::from_secs(30));
    assert_eq!(
        site.get(&third.token(&issuer.claims(|_| {}))).await.status,
        200
    );
}

#[tokio::test]
async fn unknown_keys_trigger_one_fetch_in_30_seconds() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    let claims = issuer.claims(|claims| claims["exp"] = json!(now_seconds() + HOUR));
    assert_eq!(site.get(&issuer.token(|_| {})).await.status, 200);
    let send_unknown = async |from: usize, count: usize| {
        let unknown_key = SigningKey::p256("x");
        let tokens: Vec<String> = (from..from + count)
            .map(|number| {
                let header = json!({ "alg": "ES256", "kid": format!("kid-{number}") });
                unknown_key.sign(header.to_string(), claims.to_string())
            })
            .collect();
        for chunk in tokens.chunks(100) {
            let answers = join_all(chunk.iter().map(|token| site.get(token))).await;
            assert!(answers.iter().all(|answer| answer.status == 401));
        }
    };
    send_unknown(0, 1000).await;
    assert_eq!(issuer.jwks_fetches(), 2);
    site.clock.advance(Duration::from_secs(31));
    send_unknown(1000, 100).await;
    assert_eq!(issuer.jwks_fetches(), 3);
    // A token that caused the first fetch does not cause a second one.
    let fresh = Site::start(config(&issuer)).await;
    let unknown = SigningKey::p256("unknown").token(&claims);
    assert_eq!(fresh.get(&unknown).await.status, 401);
    assert_eq!(issuer.jwks_fetches(), 4);
}

/// Verified tokens are cached, but not longer than their key is published.
#[tokio::test]
async fn removing_a_key_invalidates_its_cached_tokens() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(config(&issuer)).await;
    let first = long_token(&issuer);
    let second_key = SigningKey::p256("key-2");
    let second =
        second_key.token(&issuer.claims(|claims| claims["exp"] = json!(now_seconds() + HOUR)));
    issuer.add_key(second_key.clone());
    for token in [&first, &second] {
        assert_eq!(site.get(token).await.status, 200);
    }
    issuer.set_keys([second_key]);
    // A token with an unknown key triggers a fetch while the first token is still cached.
    let third = SigningKey::p256("key-3").token(&issuer.claims(|_| {}));
    assert_eq!(site.get(&third).await.status, 401);
    assert_eq!(site.get(&first).await.status, 401);
    assert_eq!(site.get(&second).await.status, 200);
    // A new key under the same `kid` replaces the old one.
    issuer.set_keys([SigningKey::p256("key-2")]);
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(site.get(&second).await.status, 401);
}

#[tokio::test]
async fn a_cached_token_expires() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.leeway = Duration::ZERO;
    let site = Site::start(config).await;
    let token = issuer.token(|claims| claims["exp"] = json!(now_seconds() + 40));
    for (advance_seconds, status) in [(0, 200), (0, 200), (30, 200), (11, 401), (0, 401)] {
        site.clock.advance(Duration::from_secs(advance_seconds));
        assert_eq!(site.get(&token).await.status, status, "{advance_seconds}");
    }
}

#[tokio::test]
async fn cached_keys_are_used_during_an_outage() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=600");
    let mut config = config(&issuer);
    config.outage = Duration::from_secs(2 * HOUR);
    let site = Site::start(config).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Status(500)));
    for (advance_seconds, status) in [
        (599, 200),
        (2, 200),
        (60, 200),
        (HOUR, 200),
        (HOUR - 200, 200),
        (200, 503),
        (24 * HOUR, 503),
    ] {
        site.clock.advance(Duration::from_secs(advance_seconds));
        let answer = site.get(&token).await;
        assert_eq!(
            answer.status, status,
            "after another {advance_seconds} s: {answer:?}"
        );
    }
    // While there are cached keys, a token with an unknown key is answered 401 instead of 503.
    issuer.fail(None);
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Status(500)));
    let unknown = SigningKey::p256("unknown")
        .token(&issuer.claims(|claims| claims["exp"] = json!(now_seconds() + 48 * HOUR)));
    assert_eq!(site.get(&unknown).await.status, 401);
}

/// Without requests there is no refresh in the background.
#[tokio::test]
async fn stale_keys_are_fetched_again_before_they_are_used() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(config(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.set_keys([SigningKey::p256("key-2")]);
    site.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(site.get(&token).await.status, 401);
}

#[tokio::test]
async fn an_empty_key_set_withdraws_every_key() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.set_keys([]);
    site.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(site.get(&token).await.status, 401);
}

#[tokio::test]
async fn requests_do_not_wait_for_refreshes_during_an_outage() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(config(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Status(500)));
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Stall));
    site.clock.advance(Duration::from_secs(5));
    let started = Instant::now();
    for _ in 0..5 {
        assert_eq!(site.get(&token).await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    wait_until(|| issuer.jwks_fetches() == 3).await;
}

#[tokio::test]
async fn a_bad_signature_under_a_known_kid_triggers_no_fetch() {
    let issuer = Issuer::start().await;
    let site = Site::start(config(&issuer)).await;
    assert_eq!(site.get(&issuer.token(|_| {})).await.status, 200);
    let forged = SigningKey::p256("key-1").token(&issuer.claims(|_| {}));
    for _ in 0..3 {
        assert_eq!(site.get(&forged).await.status, 401);
    }
    assert_eq!(issuer.jwks_fetches(), 1);
}
