//! Public keys of an issuer: PEM blocks, a JWK or a JWKS.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use tokio::runtime::Runtime;
use toolcrib::auth::{Guard, GuardConfig, KeySource};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads"));

/// Builds a guard with these keys. If that succeeds, tokens without a signature of one of the keys must be rejected.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    const RESOURCE: &str = "https://tools.example/mcp";
    let mut config = GuardConfig::new(RESOURCE, "https://login.example", RESOURCE);
    config.issuers[0].keys = KeySource::PublicKey(text.to_owned());
    let guard = match Guard::build(config) {
        Ok(guard) => guard,
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal without a reason");
            for error in errors {
                super::assert_is_sentence(&error.to_string());
            }
            return;
        }
    };
    let claims = json!({
        "iss": "https://login.example", "aud": RESOURCE, "sub": "alice", "exp": 253_402_300_000_u64,
    });
    for alg in ["none", "HS256", "RS256", "ES256", "ES384", "EdDSA"] {
        let token = forged(alg, &claims.to_string(), text);
        let verified = RUNTIME.block_on(guard.verify(&token));
        assert!(verified.is_err(), "a forged token with the algorithm {alg}");
    }
}

/// Returns a token that names this algorithm and is signed with the text of the public keys as an HMAC secret.
fn forged(alg: &str, claims: &str, secret: &str) -> String {
    use base64::Engine;
    let encode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part);
    let header = json!({ "typ": "at+jwt", "alg": alg }).to_string();
    let message = format!("{}.{}", encode(&header), encode(claims));
    if alg == "none" {
        return format!("{message}.");
    }
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.expect("a valid key"))
}
