//! Access tokens. An input with a line break is a header and claims, which a trusted key signs; any other input is a
//! token as a client sends it.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;
use tokio::runtime::Runtime;
use toolcrib::auth::{Guard, GuardConfig, KeySource, Secret};

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://tools.example/mcp";
const SECRET: &[u8] = b"a secret of the tests, which is long enough";
const LEEWAY_SECONDS: u64 = 60;

static GUARD: LazyLock<(Runtime, Guard)> = LazyLock::new(|| {
    let mut config = GuardConfig::new(AUDIENCE, ISSUER, AUDIENCE);
    config.issuers[0].keys = KeySource::Secret(Secret::new(SECRET));
    config.issuers[0].algorithms = vec!["HS256".parse().expect("a known algorithm")];
    config.pass_claims = vec!["email".to_owned()];
    let runtime = Runtime::new().expect("threads");
    (runtime, Guard::build(config).expect("valid settings"))
});

/// Verifies a token. An accepted one must have every property that the guard promises, and be explained as accepted.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let signed = text.split_once('\n');
    let token = match signed {
        Some((header, claims)) => sign(header, claims),
        None => text.to_owned(),
    };
    let (runtime, guard) = &*GUARD;
    let verified = runtime.block_on(guard.verify(&token));
    let findings = runtime.block_on(guard.explain(&token));
    for finding in &findings {
        super::assert_is_sentence(&finding.message);
    }
    // The explanation ignores white space around a token, which an operator may have copied.
    if token.trim() == token {
        let is_accepted = findings.iter().all(|finding| finding.accepted);
        assert_eq!(verified.is_ok(), is_accepted, "{findings:?}");
    }
    if let Ok(caller) = verified {
        let (header, claims) = signed.expect("nobody else knows the secret");
        assert_promises(header, claims);
        assert!(!caller.subject.is_empty(), "an empty subject");
    }
}

/// Returns a token with a valid signature, whatever the header says.
fn sign(header: &str, claims: &str) -> String {
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.expect("a valid key"))
}

/// Asserts the promises about header and claims, read independently of the guard.
fn assert_promises(header: &str, claims: &str) {
    let header: Value = serde_json::from_str(header).expect("the header is JSON");
    let claims: Value = serde_json::from_str(claims).expect("the claims are JSON");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none(), "a critical extension");
    let typ = header["typ"].as_str().unwrap_or("jwt").to_ascii_lowercase();
    let typ = typ.trim_start_matches("application/");
    assert!(["jwt", "at+jwt"].contains(&typ), "the type {typ}");
    assert_eq!(claims["iss"].as_str().map(without_slash), Some(ISSUER));
    let is_audience = |audience: &Value| audience.as_str() == Some(AUDIENCE);
    let is_for_us = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().any(is_audience),
        audience => is_audience(audience),
    };
    assert!(is_for_us, "another audience");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock after 1970").as_secs() as f64;
    let leeway = LEEWAY_SECONDS as f64 + 1.0;
    let expires = claims["exp"].as_f64().expect("a number as `exp`");
    assert!(expires + leeway > now, "expired");
    for claim in ["nbf", "iat"] {
        let time = claims.get(claim).filter(|time| !time.is_null());
        let time = time.map_or(0.0, |time| time.as_f64().expect("a number as time"));
        assert!(time <= now + leeway, "a token of the future");
    }
    assert!(claims["cnf"].is_null(), "bound to a key of its client");
    let kind = claims["token_use"].as_str().or(claims["typ"].as_str());
    assert!(!["ID", "id", "Refresh"].contains(&kind.unwrap_or_default()));
}

fn without_slash(text: &str) -> &str {
    text.strip_suffix('/').unwrap_or(text)
}
