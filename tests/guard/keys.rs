//! Usable keys, and the issuer and algorithms that each key is accepted for.

use super::*;
use crate::support::issuer::{Failure, SigningKey};
use jsonwebtoken::Algorithm as Jws;
use toolcrib::auth::{Algorithm, Secret};

#[tokio::test]
async fn a_configured_public_key_verifies_tokens() {
    let p256 = SigningKey::p256("p256");
    let p384 = SigningKey::p384("p384");
    let ed = SigningKey::ed25519("ed");
    let rsa = SigningKey::rsa("rsa", 0);
    let other = SigningKey::p256("p256");
    let pem = |key: &SigningKey| key.public_pem.clone();
    let jwks = |keys: &[&SigningKey]| {
        json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() }).to_string()
    };
    for (name, text, key, status) in [
        ("a P-256 PEM", pem(&p256), &p256, 200),
        ("a P-384 PEM", pem(&p384), &p384, 200),
        ("an Ed25519 PEM", pem(&ed), &ed, 200),
        ("an RSA PEM", pem(&rsa), &rsa, 200),
        ("two PEMs, the first", pem(&rsa) + &pem(&ed), &rsa, 200),
        ("two PEMs, the second", pem(&rsa) + &pem(&ed), &ed, 200),
        (
            "a PEM with text around it",
            format!("the key:\n{}end\n", pem(&p256)),
            &p256,
            200,
        ),
        ("the PEM of another key", pem(&other), &p256, 401),
        ("a JWK", p256.jwk.to_string(), &p256, 200),
        ("the JWK of another key", other.jwk.to_string(), &p256, 401),
        ("a JWK set", jwks(&[&rsa, &p256]), &p256, 200),
        ("a JWK set without the key", jwks(&[&rsa, &ed]), &p256, 401),
    ] {
        let mut config = GuardConfig::new(AUDIENCE, "https://login.example", AUDIENCE);
        config.issuers[0].keys = KeySource::PublicKey(text);
        let site = Site::start(config).await;
        let token = key.token(&json!({ "iss": "https://login.example", "aud": AUDIENCE, "sub": "a", "exp": now_seconds() + 60 }));
        assert_eq!(site.get(&token).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn hmac_is_accepted_only_with_a_configured_secret() {
    let secret = [7; 64];
    let claims = json!({ "iss": "https://login.example", "aud": AUDIENCE, "sub": "a", "exp": now_seconds() + 60 });
    let hmac = |algorithm, secret: &[u8]| SigningKey::secret("k", algorithm, secret).token(&claims);
    let mut config = GuardConfig::new(AUDIENCE, "https://login.example", AUDIENCE);
    config.issuers[0].keys = KeySource::Secret(Secret::new(secret));
    config.issuers[0].algorithms = vec![Algorithm::Hs256, Algorithm::Hs512];
    let site = Site::start(config).await;
    for (name, token, status) in [
        ("HS256", hmac(Jws::HS256, &secret), 200),
        ("HS512", hmac(Jws::HS512, &secret), 200),
        (
            "HS384, which is not configured",
            hmac(Jws::HS384, &secret),
            401,
        ),
        ("another secret", hmac(Jws::HS256, &[8; 64]), 401),
        ("ES256", SigningKey::p256("k").token(&claims), 401),
    ] {
        assert_eq!(site.get(&token).await.status, status, "{name}");
    }
}

#[tokio::test]
async fn configured_algorithms_restrict_the_accepted_ones() {
    let issuer = Issuer::start().await;
    let rsa = SigningKey::rsa("rsa", 0);
    issuer.add_key(rsa.clone());
    let mut config = config(&issuer);
    config.issuers[0].algorithms = vec![Algorithm::Ps256];
    let site = Site::start(config).await;
    for (algorithm, status) in [(Jws::PS256, 200), (Jws::PS384, 401), (Jws::RS256, 401)] {
        let token = rsa.clone().with(algorithm).token(&issuer.claims(|_| {}));
        assert_eq!(site.get(&token).await.status, status, "{algorithm:?}");
    }
    assert_eq!(site.get(&issuer.token(|_| {})).await.status, 401);
}

/// An unusable key does not affect the other keys of its set.
#[tokio::test]
async fn jwk_members_restrict_the_use_of_a_key() {
    let (p256, rsa) = (SigningKey::p256("p256"), SigningKey::rsa("rsa", 0));
    let jwk = |key: &SigningKey, change: &dyn Fn(&mut Value)| {
        let mut jwk = key.jwk.clone();
        jwk.as_object_mut().unwrap().remove("use");
        change(&mut jwk);
        jwk
    };
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(&str, Value, &SigningKey, u16, &str)> = vec![
        ("unchanged", jwk(&p256, &|_| {}), &p256, 200, ""),
        ("use sig", jwk(&p256, &|jwk| jwk["use"] = json!("sig")), &p256, 200, ""),
        ("use enc", jwk(&p256, &|jwk| jwk["use"] = json!("enc")), &p256, 401, "`use`"),
        ("use tls", jwk(&p256, &|jwk| jwk["use"] = json!("tls")), &p256, 401, "`use`"),
        ("key_ops with verify", jwk(&p256, &|jwk| jwk["key_ops"] = json!(["sign", "verify"])), &p256, 200, ""),
        ("key_ops without verify", jwk(&p256, &|jwk| jwk["key_ops"] = json!(["deriveKey"])), &p256, 401, "`key_ops`"),
        ("empty key_ops", jwk(&p256, &|jwk| jwk["key_ops"] = json!([])), &p256, 401, "`key_ops`"),
        ("key_ops as a string", jwk(&p256, &|jwk| jwk["key_ops"] = json!("verify")), &p256, 401, "no JWK"),
        ("the alg of the token", jwk(&rsa, &|jwk| jwk["alg"] = json!("RS256")), &rsa, 200, ""),
        ("another alg of the same key type", jwk(&rsa, &|jwk| jwk["alg"] = json!("RS384")), &rsa, 401, ""),
        ("an alg with the other padding", jwk(&rsa, &|jwk| jwk["alg"] = json!("PS256")), &rsa, 401, ""),
        ("an encryption alg", jwk(&rsa, &|jwk| jwk["alg"] = json!("RSA-OAEP")), &rsa, 401, "`alg`"),
        ("an alg of another key type", jwk(&p256, &|jwk| jwk["alg"] = json!("RS256")), &p256, 401, "`alg`"),
        ("an HMAC alg", jwk(&p256, &|jwk| jwk["alg"] = json!("HS256")), &p256, 401, "`alg`"),
        ("a private key", jwk(&p256, &|jwk| jwk["d"] = json!("AAAA")), &p256, 401, "private"),
        ("the name of another curve", jwk(&p256, &|jwk| jwk["crv"] = json!("P-384")), &p256, 401, "malformed"),
        ("secp256k1", jwk(&p256, &|jwk| jwk["crv"] = json!("secp256k1")), &p256, 401, "curve"),
        ("a point off the curve", jwk(&p256, &|jwk| jwk["x"] = jwk["y"].clone()), &p256, 401, "malformed"),
        ("no y", jwk(&p256, &|jwk| jwk["y"] = Value::Null), &p256, 401, "malformed"),
        ("a coordinate that is not base64url", jwk(&p256, &|jwk| jwk["y"] = json!("++++")), &p256, 401, "malformed"),
        ("no kty", jwk(&p256, &|jwk| jwk["kty"] = Value::Null), &p256, 401, "no JWK"),
        ("an unknown kty", jwk(&p256, &|jwk| jwk["kty"] = json!("AKP")), &p256, 401, "type"),
        ("not an object", json!("key"), &p256, 401, "no JWK"),
        ("an even modulus", jwk(&rsa, &|jwk| { let n = jwk["n"].as_str().unwrap(); jwk["n"] = json!(format!("{}A", &n[..n.len() - 1])); }), &rsa, 401, ""),
        ("an exponent of 1", jwk(&rsa, &|jwk| jwk["e"] = json!("AQ")), &rsa, 401, "malformed"),
        ("x5u beside the key", jwk(&p256, &|jwk| jwk["x5u"] = json!("https://evil.example")), &p256, 200, ""),
    ];
    for (name, jwk, key, status, why) in cases {
        let issuer = Issuer::start().await;
        let valid = SigningKey::ed25519("valid");
        issuer.serve_jwks(json!({ "keys": [jwk, valid.jwk] }));
        let site = Site::start(config(&issuer)).await;
        let token = key.token(&issuer.claims(|_| {}));
        assert_eq!(site.get(&token).await.status, status, "{name}");
        assert_eq!(
            site.get(&valid.token(&issuer.claims(|_| {}))).await.status,
            200,
            "{name}: the valid key of the set"
        );
        let findings = format!("{:?}", site.guard.explain(&token).await);
        assert!(findings.contains(why), "{name}: {findings}");
    }
}

#[tokio::test]
async fn symmetric_keys_in_a_fetched_set_are_ignored() {
    let issuer = Issuer::start().await;
    let key = SigningKey::secret("key-1", Jws::HS256, &[7; 32]);
    issuer.set_keys([key.clone()]);
    let site = Site::start(config(&issuer)).await;
    assert_eq!(
        site.get(&key.token(&issuer.claims(|_| {}))).await.status,
        401
    );
}

#[tokio::test]
async fn rsa_keys_below_2048_bits_are_rejected() {
    let issuer = Issuer::start().await;
    issuer.serve_jwks(
        json!({ "keys": [{ "kty": "RSA", "kid": "small", "e": "AQAB", "n": RSA_1024_N }] }),
    );
    let mut config = GuardConfig::new(AUDIENCE, "https://issuer.example", AUDIENCE);
    config.issuers[0].keys = jwks(&issuer.jwks_uri());
    let site = Site::start(config).await;
    assert_eq!(site.get(RSA_1024_TOKEN).await.status, 401);
    let findings = format!("{:?}", site.guard.explain(RSA_1024_TOKEN).await);
    assert!(findings.contains("1024 bits"), "{findings}");
}

#[tokio::test]
async fn issuers_share_neither_keys_nor_audiences_nor_algorithms() {
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    second.set_keys([SigningKey::ed25519("key-1")]);
    let mut config = config(&first);
    let mut trusted = trusted(&second);
    trusted.audience = vec!["second".to_owned()];
    trusted.algorithms = vec![Algorithm::EdDsa];
    config.issuers.push(trusted);
    let site = Site::start(config).await;
    let for_second = |claims: &mut Value| claims["aud"] = json!("second");
    let extra = SigningKey::p256("extra");
    second.add_key(extra.clone());
    for (name, token, status) in [
        ("a token of the first", first.token(|_| {}), 200),
        ("a token of the second", second.token(for_second), 200),
        (
            "the first, for the audience of the second",
            first.token(for_second),
            401,
        ),
        (
            "the second, for the audience of the first",
            second.token(|_| {}),
            401,
        ),
        (
            "the second, signed with the key of the first",
            first.first_key().token(&second.claims(for_second)),
            401,
        ),
        (
            "the first, signed with the key of the second",
            second.first_key().token(&first.claims(|_| {})),
            401,
        ),
        (
            "the second, signed with another algorithm",
            extra.token(&second.claims(for_second)),
            401,
        ),
        (
            "a third issuer",
            first.token(|claims| claims["iss"] = json!("https://third.example")),
            401,
        ),
    ] {
        assert_eq!(site.get(&token).await.status, status, "{name}");
    }
    // An outage of one issuer does not affect the other.
    let third = Issuer::start().await;
    third.fail(Some(Failure::Status(500)));
    let mut config = config_of([&first, &third]);
    config.issuers[1].audience = vec![AUDIENCE.to_owned()];
    let site = Site::start(config).await;
    assert_eq!(site.get(&third.token(|_| {})).await.status, 503);
    assert_eq!(site.get(&first.token(|_| {})).await.status, 200);
}

pub(super) const SECP256K1_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEqfzYNFeYhBECJl+j/oi6B76fzAbMX9Gk
hXs6M9XVdpDK95lFQ1xTrzE9+ru4F290xaJxkD0/xmAKi9fsmrTl/w==
-----END PUBLIC KEY-----";

pub(super) const P521_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB8h6qa1RQqKFs+D7Nkr8XMXWyq4Rt
fZFgHf53dLXx+hvGIBpZNOBYZZIu4+uQe7bbuAUy8Vi5fzfnVI0eIL3LZGUBnKAC
1fwlvy+V/Or6zpt12iGY7aHisQ8DauIXFycOxYxfquhyKsPFzosDLIbbchbkyUWP
Bp6hzZro6nfRozJTTHI=
-----END PUBLIC KEY-----";

pub(super) const RSA_1024_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC3+A0Kd9u+j7JQA8UYgg8AoFhQ
itLMTOfk5IVcsI033b+WAXGmSUwJ8jsaRjBHYMZuUTnCx59Litvd+qKcJH0RKCou
4A8ac+R0rfNe30GEY0/QnjsbZ8sxRYmmseBmxAiTkaB0ff8X3+909AF18W2Mm+mW
3+namppPztb4sGVboQIDAQAB
-----END PUBLIC KEY-----";

pub(super) const RSA_1024_N: &str = "t_gNCnfbvo-yUAPFGIIPAKBYUIrSzEzn5OSFXLCNN92_lgFxpklMCfI7GkYwR2DGblE5wsefS4rb3fqinCR9ESgqLuAPGnPkdK3zXt9BhGNP0J47G2fLMUWJprHgZsQIk5GgdH3_F9_vdPQBdfFtjJvplt_p2pqaT87W-LBlW6E";

/// Valid until the year 2100 except for the size of its key.
pub(super) const RSA_1024_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNtYWxsIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly90b29scy5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.KTR6YrSPNirTOurXh9X9Zk4AXPDOeY3CD9qiVk7S3y0nemgznXIKSY11_bE2E6xRccqt6XysBGnFdyFV1Cvi3O4ht2qvpc0j72b9NRHkxz-OLklqWgJtcWkCBQqWFbdlISrjxzM7A-eF_5p8BRImMNE7GTVsslaGL8vyXZHfdXc";
