//! Errors and warnings about the guard's configuration.

use super::keys::{P521_PEM, RSA_1024_PEM, SECP256K1_PEM};
use super::*;
use crate::support::issuer::SigningKey;
use toolcrib::auth::{Algorithm, MAX_LEEWAY_SECONDS, MAX_OUTAGE_SECONDS, Secret};

#[test]
fn errors_name_the_configuration_key() {
    type Change = fn(&mut GuardConfig);
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(Change, &[(&str, &str)])> = vec![
        (|_| {}, &[]),
        (|s| s.resource = "mcp".to_owned(), &[("server.public-url", "http or https")]),
        (|s| s.resource = "ftp://tools.example/mcp".to_owned(), &[("server.public-url", "http or https")]),
        (|s| s.resource = "https://tools.example/m\"p".to_owned(), &[("server.public-url", "http or https")]),
        (|s| s.resource = "https://tools.example/{mcp}".to_owned(), &[("server.public-url", "http or https")]),
        (|s| s.resource = "https:///mcp".to_owned(), &[("server.public-url", "host")]),
        (|s| s.resource = "https://tools.example/mcp#top".to_owned(), &[("server.public-url", "fragment")]),
        (|s| s.resource = "https://tools.example/mcp?a=b".to_owned(), &[("server.public-url", "query")]),
        (|s| s.resource = "https://u:p@tools.example/mcp".to_owned(), &[("server.public-url", "credentials")]),
        (|s| s.issuers.clear(), &[("auth.issuer", "missing")]),
        (|s| s.issuers[0].issuer = String::new(), &[("auth.issuer", "empty")]),
        (|s| s.issuers[0].issuer = "http://login.example".to_owned(), &[("auth.issuer", "https")]),
        (|s| s.issuers[0].issuer = "https://login.example?a".to_owned(), &[("auth.issuer", "query")]),
        (|s| s.issuers[0].issuer = "login".to_owned(), &[("auth.issuer", "clients could go"), ("auth.issuer", "no URL")]),
        (|s| s.issuers[0].audience.clear(), &[("auth.audience", "missing")]),
        (|s| s.issuers[0].audience.push(String::new()), &[("auth.audience", "empty")]),
        (|s| s.issuers[0].keys = jwks("http://login.example/jwks"), &[("auth.jwks-uri", "https")]),
        (|s| { s.issuers[0].keys = jwks("http://login.example/jwks"); s.issuers[0].private_network = true; }, &[]),
        (|s| { s.issuers[0].keys = jwks("ftp://login.example/jwks"); s.issuers[0].private_network = true; }, &[("auth.jwks-uri", "https")]),
        (|s| s.issuers[0].issuer = "https://login.example/{tenant}".to_owned(), &[("auth.issuer", "`tenants`")]),
        (|s| s.issuers[0].tenants = vec!["t".to_owned()], &[("auth.tenants", "{tenant}")]),
        (|s| tenants(s, &["a", "b"]), &[]),
        (|s| tenants(s, &["a/b"]), &[("auth.tenants", "a/b")]),
        (|s| tenants(s, &[".."]), &[("auth.tenants", "..")]),
        (|s| tenants(s, &["a", ""]), &[("auth.tenants", "\"\"")]),
        (|s| tenants(s, &["a", "a"]), &[("auth.issuer", "twice")]),
        (|s| tenants(s, &["a"; 257]), &[("auth.tenants", "256")]),
        (|s| { tenants(s, &["a", "b"]); s.issuers[0].audience.clear(); }, &[("auth.audience", "missing")]),
        (|s| { tenants(s, &["a"]); s.issuers.push(IssuerConfig::new("https://login.example/a", "x")); }, &[("auth.issuers[0].issuer", "twice")]),
        (|s| s.issuers[0].audience_claim = Some("client_id".to_owned()), &[("auth.audience", "`require-claims`")]),
        (|s| { s.issuers[0].audience_claim = Some("client_id".to_owned()); require(s, "token_use"); }, &[]),
        (|s| { s.issuers[0].audience_claim = Some("client_id".to_owned()); require(s, "token_use"); s.issuers[0].audience.clear(); }, &[("auth.audience", "missing")]),
        (|s| s.issuers[0].audience_claim = Some("aud".to_owned()), &[]),
        (|s| require(s, "/a~b"), &[("auth.require-claims", "/a~b")]),
        (|s| s.scope_claims.push(String::new()), &[("auth.scope-claims", "no claim")]),
        (|s| s.scope_claims.push("/a~".to_owned()), &[("auth.scope-claims", "/a~")]),
        (|s| s.metadata_url = Some("https://tools.example/crib/.well-known/oauth-protected-resource".to_owned()), &[]),
        (|s| s.metadata_url = Some("https://tools.example/crib/metadata".to_owned()), &[("server.metadata-url", "/.well-known/oauth-protected-resource")]),
        (|s| s.metadata_url = Some("/crib/.well-known/oauth-protected-resource".to_owned()), &[("server.metadata-url", "http or https")]),
        (|s| s.metadata_url = Some("https://tools.example/.well-known/oauth-protected-resource?\"".to_owned()), &[("server.metadata-url", "http or https")]),
        (|s| s.metadata_url = Some("https://tools.example/.well-known/oauth-protected-resource?a".to_owned()), &[("server.metadata-url", "query")]),
        (|s| s.proxy = Some("http://proxy.example:3128".parse().unwrap()), &[]),
        (|s| s.proxy = Some("socks5://proxy.example:1080".parse().unwrap()), &[("network.proxy", "URL of a proxy")]),
        (|s| s.ca = Some("rubbish".to_owned()), &[("network.ca", "no usable certificate")]),
        (|s| s.ca = Some(String::new()), &[("network.ca", "no usable certificate")]),
        (|s| s.ca = Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()), &[("network.ca", "no usable certificate")]),
        (|s| s.issuers[0].keys = jwks("ftp://login.example/jwks"), &[("auth.jwks-uri", "https")]),
        (|s| s.issuers[0].keys = jwks("https://u:p@login.example/jwks"), &[("auth.jwks-uri", "credentials")]),
        (|s| s.issuers[0].keys = jwks("http://127.0.0.1:9/jwks"), &[]),
        (|s| s.issuers[0].keys = jwks("http://localhost:9/jwks"), &[]),
        (|s| s.issuers[0].keys = jwks("http://[::1]:9/jwks"), &[]),
        (|s| s.issuers[0].keys = KeySource::PublicKey("garbage".to_owned()), &[("auth.public-key", "neither")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(String::new()), &[("auth.public-key", "neither")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned()), &[("auth.public-key", "private")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned()), &[("auth.public-key", "certificate")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".to_owned()), &[("auth.public-key", "no usable key")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(SECP256K1_PEM.to_owned()), &[("auth.public-key", "no usable key")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(P521_PEM.to_owned()), &[("auth.public-key", "P-256")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(RSA_1024_PEM.to_owned()), &[("auth.public-key", "1024")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(r#"{"keys":[]}"#.to_owned()), &[("auth.public-key", "empty")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(r#"{"kty":"oct","k":"AAAA"}"#.to_owned()), &[("auth.public-key", "symmetric")]),
        (|s| s.issuers[0].keys = KeySource::PublicKey(r#"{"kty":"EC","d":"AAAA"}"#.to_owned()), &[("auth.public-key", "private")]),
        (|s| s.issuers[0].algorithms = vec![Algorithm::Es256, Algorithm::Hs256], &[("auth.algorithms", "HS256")]),
        (|s| { s.issuers[0].keys = KeySource::PublicKey(SigningKey::p256("k").public_pem); s.issuers[0].algorithms = vec![Algorithm::Hs256]; }, &[("auth.algorithms", "HS256"), ("auth.algorithms", "can verify")]),
        (|s| { s.issuers[0].keys = KeySource::PublicKey(SigningKey::p256("k").public_pem); s.issuers[0].algorithms = vec![Algorithm::Rs256]; }, &[("auth.algorithms", "can verify")]),
        (|s| s.issuers[0].keys = secret(64), &[("auth.algorithms", "missing")]),
        (|s| { s.issuers[0].keys = secret(32); s.issuers[0].algorithms = vec![Algorithm::Hs256]; }, &[]),
        (|s| { s.issuers[0].keys = secret(31); s.issuers[0].algorithms = vec![Algorithm::Hs256]; }, &[("auth.secret", "31 bytes")]),
        (|s| { s.issuers[0].keys = secret(47); s.issuers[0].algorithms = vec![Algorithm::Hs384]; }, &[("auth.secret", "48")]),
        (|s| { s.issuers[0].keys = secret(63); s.issuers[0].algorithms = vec![Algorithm::Hs512]; }, &[("auth.secret", "64")]),
        (|s| { s.issuers[0].keys = secret(64); s.issuers[0].algorithms = vec![Algorithm::Es256]; }, &[("auth.algorithms", "ES256")]),
        (|s| s.issuers.push(s.issuers[0].clone()), &[("auth.issuers[0].issuer", "twice")]),
        (|s| s.issuers.push(IssuerConfig::new("https://login.example/", "a")), &[("auth.issuers[0].issuer", "twice")]),
        (|s| { s.issuers.push(IssuerConfig::new("https://b.example", "a")); s.issuers.push(IssuerConfig::new("https://c.example", "")); }, &[("auth.issuers[1].audience", "empty")]),
        (|s| s.authorization_servers = vec!["login".to_owned()], &[("auth.authorization-servers", "login")]),
        (|s| s.required_scopes = vec!["two words".to_owned()], &[("auth.required-scopes", "two words")]),
        (|s| s.required_scopes = vec![String::new()], &[("auth.required-scopes", "no scope")]),
        (|s| s.required_scopes = vec!["offline_access".to_owned()], &[("auth.required-scopes", "offline_access")]),
        (|s| { s.scope_implies.insert("a".to_owned(), vec!["b\"".to_owned()]); }, &[("auth.scope-implies", "no scope")]),
        (|s| s.leeway = Duration::from_secs(MAX_LEEWAY_SECONDS), &[]),
        (|s| s.leeway = Duration::from_secs(MAX_LEEWAY_SECONDS + 1), &[("auth.leeway", "601")]),
        (|s| s.outage = Duration::from_secs(MAX_OUTAGE_SECONDS + 1), &[("auth.outage", "604800")]),
        // Several errors are reported together.
        (|s| { s.resource = "mcp".to_owned(); s.issuers[0].audience.clear(); s.issuers[0].keys = jwks("http://a.example"); s.leeway = Duration::from_secs(HOUR); },
         &[("auth.leeway", "3600"), ("server.public-url", "http or https"), ("auth.audience", "missing"), ("auth.jwks-uri", "https")]),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut config = GuardConfig::new(AUDIENCE, "https://login.example", AUDIENCE);
        change(&mut config);
        let faults = Guard::build(config).err().unwrap_or_default();
        assert_eq!(faults.len(), expected.len(), "case {number}: {faults:?}");
        for (fault, (key, says)) in faults.iter().zip(expected) {
            assert_eq!(fault.key, *key, "case {number}: {fault}");
            assert!(fault.message.contains(says), "case {number}: {fault}");
            assert!(fault.to_string().starts_with(key), "{fault}");
        }
    }
}

#[test]
fn questionable_settings_are_warned_about() {
    type Change = fn(&mut GuardConfig);
    #[rustfmt::skip] // One case per line.
    let cases: Vec<(Change, &[&str])> = vec![
        (|_| {}, &[]),
        (|s| s.issuers[0].audience = vec!["other".to_owned(), AUDIENCE.to_owned()], &[]),
        (|s| s.issuers[0].audience = vec!["other".to_owned()], &["auth.audience"]),
        (|s| s.issuers.push(IssuerConfig::new("https://b.example", "b")), &["auth.issuers[0].audience"]),
        (|s| s.issuers[0].private_network = true, &["auth.private-network"]),
        (|s| { s.issuers[0].keys = secret(32); s.issuers[0].algorithms = vec![Algorithm::Hs256]; }, &["auth.secret"]),
        (|s| { s.resource = "http://tools.example/mcp".to_owned(); s.issuers[0].audience = vec![s.resource.clone()]; }, &["server.public-url"]),
        (|s| s.authorization_servers = vec!["http://login.example".to_owned()], &["auth.authorization-servers"]),
    ];
    for (change, expected) in cases {
        let mut config = GuardConfig::new(AUDIENCE, "https://login.example", AUDIENCE);
        change(&mut config);
        let warnings = Guard::build(config).unwrap().warnings();
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, key) in warnings.iter().zip(expected) {
            assert!(warning.starts_with(key), "{warning}");
        }
    }
}

#[test]
fn debug_output_hides_secrets() {
    let secret = Secret::new("a secret of thirty-two bytes, yes");
    let debug_output = format!("{:?}", KeySource::Secret(secret));
    assert!(!debug_output.contains("thirty"), "{debug_output}");
}

fn tenants(config: &mut GuardConfig, tenants: &[&str]) {
    config.issuers[0].issuer = "https://login.example/{tenant}".to_owned();
    config.issuers[0].tenants = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
}

fn require(config: &mut GuardConfig, claim: &str) {
    let claims = &mut config.issuers[0].required_claims;
    claims.insert(claim.to_owned(), json!("access"));
}

pub(super) fn secret(bytes: usize) -> KeySource {
    KeySource::Secret(Secret::new(vec![7; bytes]))
}
