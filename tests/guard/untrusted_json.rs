//! Hostile JSON in tokens, key sets and metadata: reserved keys, depth, duplicates, and text that is not UTF-8.

use super::*;
use crate::support::issuer::SigningKey;

/// A key that `serde_json` replaces by the JSON in its value if its feature `raw_value` is enabled.
const RESERVED_KEY: &str = "$serde_json::private::RawValue";

/// Returns `core` inside this many arrays.
fn nested(depth: usize, core: &str) -> String {
    format!("{}{core}{}", "[".repeat(depth), "]".repeat(depth))
}

/// Wraps JSON into an object that stands for it, where reserved keys are honoured. Each layer restarts the count of the
/// depth.
fn smuggled(json: &str) -> String {
    json!({ RESERVED_KEY: json }).to_string()
}

#[tokio::test]
async fn hostile_claims_are_rejected() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.pass_claims = vec!["extra".to_owned()];
    let site = Site::start(config).await;
    let key = issuer.first_key();
    let header = r#"{"alg":"ES256","kid":"key-1"}"#;
    let claims = issuer.claims(|_| {}).to_string();
    let with = |members: &str| claims.replacen('{', &format!("{{{members},"), 1);
    let aud = format!(r#""aud":"{AUDIENCE}""#);
    let without_aud = claims.replace(&format!("{aud},"), "");
    assert_ne!(without_aud, claims);
    let raw_aud = format!(r#""aud":{}"#, smuggled(&format!("\"{AUDIENCE}\"")));
    let deep = (0..4).fold("1".to_owned(), |core, _| smuggled(&nested(20, &core)));
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no other claim", claims.clone().into_bytes(), 200),
        ("a claim 63 levels below the claims", with(&format!(r#""extra":{}"#, nested(63, "1"))).into_bytes(), 200),
        ("a claim 64 levels below the claims", with(&format!(r#""extra":{}"#, nested(64, "1"))).into_bytes(), 401),
        ("a claim that is not read, 64 levels below", with(&format!(r#""other":{}"#, nested(64, "1"))).into_bytes(), 401),
        ("5,000 levels", with(&format!(r#""extra":{}"#, nested(5_000, "1"))).into_bytes(), 401),
        ("depth through reserved keys", with(&format!(r#""extra":{deep}"#)).into_bytes(), 401),
        ("an audience under a reserved key", without_aud.replacen('{', &format!("{{{raw_aud},"), 1).into_bytes(), 401),
        ("the audience itself", without_aud.replacen('{', &format!("{{{aud},"), 1).into_bytes(), 200),
        ("a reserved key", with(&format!(r#""{RESERVED_KEY}":"1""#)).into_bytes(), 401),
        ("a reserved key with an escape", with(r#""extra":{"\u0024serde_json::private::RawValue":"1"}"#).into_bytes(), 401),
        ("a reserved key in a claim that is not read", with(&format!(r#""other":[{}]"#, smuggled("1"))).into_bytes(), 401),
        ("a similar key", with(r#""extra":{"$serde_json":"1"}"#).into_bytes(), 200),
        ("a duplicate of a claim that is not read", with(r#""other":1,"other":2"#).into_bytes(), 401),
        ("a duplicate in a claim", with(r#""extra":{"a":1,"a":2}"#).into_bytes(), 401),
        ("UTF-8", with(r#""other":"é""#).into_bytes(), 200),
        ("a claim in Latin-1", [b"{\"other\":\"\xe9\",", &claims.as_bytes()[1..]].concat(), 401),
        ("a name in Latin-1", [b"{\"\xe9\":1,", &claims.as_bytes()[1..]].concat(), 401),
        ("a subject that is not UTF-8", claims.replace("alice", "\u{1}").into_bytes().iter().map(|b| if *b == 1 { 0xff } else { *b }).collect(), 401),
        ("half a surrogate pair", with(r#""other":"\ud800""#).into_bytes(), 401),
        ("a list of claims", format!("[{claims}]").into_bytes(), 401),
        ("claims and more", format!("{claims} 1").into_bytes(), 401),
    ];
    for (name, payload, status) in cases {
        let answer = site.get(&key.sign(header, &payload)).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.body["error"], "invalid_token", "{name}");
            assert!(answer.challenge().contains("resource_metadata="), "{name}");
        }
    }
    for (name, header, status) in [
        ("a header", header.as_bytes().to_vec(), 200),
        ("a list", br#"["ES256",null,"key-1"]"#.to_vec(), 401),
        (
            "a member in Latin-1",
            b"{\"alg\":\"ES256\",\"kid\":\"key-1\",\"a\":\"\xe9\"}".to_vec(),
            401,
        ),
        (
            "a reserved key",
            format!(r#"{{"alg":"ES256","kid":"key-1","a":{}}}"#, smuggled("1")).into_bytes(),
            401,
        ),
        (
            "depth",
            format!(r#"{{"alg":"ES256","kid":"key-1","a":{}}}"#, nested(64, "1")).into_bytes(),
            401,
        ),
    ] {
        let answer = site.get(&key.sign(&header, &claims)).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn hostile_key_sets_are_rejected_and_the_server_stays_available() {
    let key = SigningKey::p256("key-1");
    let set = |member: &str| format!(r#"{{"keys":[{}],"x":{member}}}"#, key.jwk);
    for (name, text, status) in [
        ("a key set", set("1"), 200),
        ("63 levels", set(&nested(63, "1")), 200),
        ("64 levels", set(&nested(64, "1")), 503),
        ("100,000 levels", set(&nested(100_000, "1")), 503),
        ("a reserved key", set(&smuggled("1")), 503),
        ("keys under a reserved key", smuggled(&set("1")), 503),
    ] {
        let issuer = Issuer::start().await;
        issuer.set_keys([key.clone()]);
        issuer.serve_jwks_text(&text);
        let site = Site::start(config(&issuer)).await;
        let answer = site.get(&issuer.token(|_| {})).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(
            site.guard.key_problems().is_empty(),
            status == 200,
            "{name}"
        );
    }
}

#[tokio::test]
async fn hostile_metadata_is_rejected() {
    let issuer = Issuer::start().await;
    let (url, jwks_uri) = (issuer.url(), issuer.jwks_uri());
    for (name, metadata, status) in [
        (
            "metadata",
            json!({ "issuer": url, "jwks_uri": jwks_uri }),
            200,
        ),
        (
            "a reserved key",
            json!({ RESERVED_KEY: json!({ "issuer": url, "jwks_uri": jwks_uri }).to_string() }),
            503,
        ),
        (
            "a member with a reserved key",
            json!({ "issuer": url, "jwks_uri": jwks_uri, "x": { RESERVED_KEY: "1" } }),
            503,
        ),
    ] {
        issuer.serve_metadata(metadata);
        let site = Site::start(GuardConfig::new(AUDIENCE, url, AUDIENCE)).await;
        let answer = site.get(&issuer.token(|_| {})).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
}

/// Keys beyond the limit are ignored, and reported.
#[tokio::test]
async fn large_key_sets_are_used_up_to_a_limit() {
    let key = SigningKey::p256("wanted");
    let mut other = SigningKey::p256("other").jwk;
    for (others, status) in [(0, 200), (64, 200), (255, 200), (256, 401)] {
        let issuer = Issuer::start().await;
        issuer.set_keys([key.clone()]);
        let mut keys: Vec<Value> = (0..others)
            .map(|number| {
                other["kid"] = json!(format!("other-{number}"));
                other.clone()
            })
            .collect();
        keys.push(key.jwk.clone());
        issuer.serve_jwks(json!({ "keys": keys }));
        let site = Site::start(config(&issuer)).await;
        let answer = site.get(&issuer.token(|_| {})).await;
        assert_eq!(answer.status, status, "{others}: {answer:?}");
        let problems = site.guard.key_problems();
        assert_eq!(problems.is_empty(), status == 200, "{problems:?}");
        let mut configured = config(&issuer);
        configured.issuers[0].keys = KeySource::PublicKey(json!({ "keys": keys }).to_string());
        assert_eq!(Guard::build(configured).is_ok(), status == 200, "{others}");
    }
}
