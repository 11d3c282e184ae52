//! How long keys are known: rotation, removal, outage.

use super::*;
use crate::support::issuer::{Failure, SigningKey};

#[tokio::test]
async fn cache_control_counts_within_bounds() {
    for (cache_control, kept_seconds, gone_seconds) in [
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
        let site = Site::start(settings(&issuer)).await;
        let get = async |subject: &str| {
            let token = issuer.token(|claims| {
                claims["sub"] = json!(subject);
                claims["exp"] = json!(now_seconds() + 48 * HOUR);
            });
            assert_eq!(site.get(&token).await.status, 200, "{cache_control}");
        };
        get("a").await;
        site.clock.advance(Duration::from_secs(kept_seconds));
        get("b").await;
        assert_eq!(issuer.jwks_fetches(), 1, "{cache_control}: kept");
        site.clock
            .advance(Duration::from_secs(gone_seconds - kept_seconds));
        get("c").await;
        assert_eq!(issuer.jwks_fetches(), 2, "{cache_control}: gone");
    }
}

/// Before the keys' time is up they are refreshed while the old ones serve.
#[tokio::test]
async fn keys_are_refreshed_in_the_background() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=1000");
    let site = Site::start(settings(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    // The issuer hangs: only a refresh that nobody waits for lets the request through at once.
    issuer.fail(Some(Failure::Stall));
    site.clock.advance(Duration::from_secs(900));
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(site.get(&token).await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    until(|| issuer.jwks_fetches() == 2).await;
}

#[tokio::test]
async fn a_new_key_is_found_when_its_token_comes() {
    let issuer = Issuer::start().await;
    let site = Site::start(settings(&issuer)).await;
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
    // Keys without a `kid` are followed as well.
    let third = SigningKey::p256("").without_kid();
    issuer.add_key(third.clone());
    site.clock.advance(Duration::from_secs(30));
    assert_eq!(
        site.get(&third.token(&issuer.claims(|_| {}))).await.status,
        200
    );
}

#[tokio::test]
async fn unknown_kids_fetch_once_in_30_seconds() {
    let issuer = Issuer::start().await;
    let site = Site::start(settings(&issuer)).await;
    let claims = issuer.claims(|claims| claims["exp"] = json!(now_seconds() + HOUR));
    assert_eq!(site.get(&issuer.token(|_| {})).await.status, 200);
    let ask = async |from: usize, many: usize| {
        let stranger = SigningKey::p256("x");
        let tokens: Vec<String> = (from..from + many)
            .map(|number| {
                let header = json!({ "alg": "ES256", "kid": format!("kid-{number}") });
                stranger.sign(&header.to_string(), &claims.to_string())
            })
            .collect();
        for some in tokens.chunks(100) {
            let answers = together(some.iter().map(|token| site.get(token))).await;
            assert!(answers.iter().all(|answer| answer.status == 401));
        }
    };
    ask(0, 1000).await;
    assert_eq!(issuer.jwks_fetches(), 2);
    site.clock.advance(Duration::from_secs(31));
    ask(1000, 100).await;
    assert_eq!(issuer.jwks_fetches(), 3);
    // A token whose keys were fetched for it does not have them fetched again.
    let fresh = Site::start(settings(&issuer)).await;
    let unknown = SigningKey::p256("unknown").token(&claims);
    assert_eq!(fresh.get(&unknown).await.status, 401);
    assert_eq!(issuer.jwks_fetches(), 4);
}

/// A verified token is remembered, but not past the life of its key.
#[tokio::test]
async fn a_removed_key_drops_what_it_signed() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(settings(&issuer)).await;
    let first = long_token(&issuer);
    let second_key = SigningKey::p256("key-2");
    let second =
        second_key.token(&issuer.claims(|claims| claims["exp"] = json!(now_seconds() + HOUR)));
    issuer.add_key(second_key.clone());
    for token in [&first, &second] {
        assert_eq!(site.get(token).await.status, 200);
    }
    issuer.set_keys([second_key]);
    // Another token makes the keys be fetched anew, long before the first is forgotten.
    let third = SigningKey::p256("key-3").token(&issuer.claims(|_| {}));
    assert_eq!(site.get(&third).await.status, 401);
    assert_eq!(site.get(&first).await.status, 401);
    assert_eq!(site.get(&second).await.status, 200);
    // The same `kid` with another key is another key.
    issuer.set_keys([SigningKey::p256("key-2")]);
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(site.get(&second).await.status, 401);
}

#[tokio::test]
async fn a_remembered_token_expires() {
    let issuer = Issuer::start().await;
    let mut settings = settings(&issuer);
    settings.leeway = Duration::ZERO;
    let site = Site::start(settings).await;
    let token = issuer.token(|claims| claims["exp"] = json!(now_seconds() + 40));
    for (advance_seconds, status) in [(0, 200), (0, 200), (30, 200), (11, 401), (0, 401)] {
        site.clock.advance(Duration::from_secs(advance_seconds));
        assert_eq!(site.get(&token).await.status, status, "{advance_seconds}");
    }
}

#[tokio::test]
async fn known_keys_serve_through_an_outage() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=600");
    let mut settings = settings(&issuer);
    settings.outage = Duration::from_secs(2 * HOUR);
    let site = Site::start(settings).await;
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
            "after {advance_seconds} s more: {answer:?}"
        );
    }
    // While keys are known, an unknown one is the token's fault.
    issuer.fail(None);
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Status(500)));
    let unknown = SigningKey::p256("unknown")
        .token(&issuer.claims(|claims| claims["exp"] = json!(now_seconds() + 48 * HOUR)));
    assert_eq!(site.get(&unknown).await.status, 401);
}

/// Keys that went stale while nobody asked are fetched before they are trusted again.
#[tokio::test]
async fn stale_keys_are_fetched_before_they_serve() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(settings(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.set_keys([SigningKey::p256("key-2")]);
    site.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(site.get(&token).await.status, 401);
}

#[tokio::test]
async fn an_emptied_set_withdraws_every_key() {
    let issuer = Issuer::start().await;
    let site = Site::start(settings(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.set_keys([]);
    site.clock.advance(Duration::from_secs(HOUR));
    assert_eq!(site.get(&token).await.status, 401);
}

/// While fetching fails, nobody waits for what will fail again.
#[tokio::test]
async fn an_outage_keeps_nobody_waiting() {
    let issuer = Issuer::start().await;
    issuer.set_cache_control("max-age=60");
    let site = Site::start(settings(&issuer)).await;
    let token = long_token(&issuer);
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Status(500)));
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(site.get(&token).await.status, 200);
    issuer.fail(Some(Failure::Stall));
    site.clock.advance(Duration::from_secs(5));
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(site.get(&token).await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    until(|| issuer.jwks_fetches() == 3).await;
}

/// A bad signature under a known `kid` is no reason to look for new keys.
#[tokio::test]
async fn a_known_kid_fetches_nothing() {
    let issuer = Issuer::start().await;
    let site = Site::start(settings(&issuer)).await;
    assert_eq!(site.get(&issuer.token(|_| {})).await.status, 200);
    let forged = SigningKey::p256("key-1").token(&issuer.claims(|_| {}));
    for _ in 0..3 {
        assert_eq!(site.get(&forged).await.status, 401);
    }
    assert_eq!(issuer.jwks_fetches(), 1);
}
