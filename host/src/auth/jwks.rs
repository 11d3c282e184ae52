//! The keys of one source: read from a JWK set, a JWK or PEM blocks, and asked for the one that made a signature.

use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::challenge::Reason;
use super::key::{Key, KeyId, Unusable, from_jwk, from_pem_block};

/// The most keys of one set that are looked at; the rest is left. Real sets have two to ten.
pub(super) const KEYS_MAX: usize = 64;

/// The usable keys of one source, and why the others are not.
#[derive(Default)]
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    pub(super) unusable: Vec<Unusable>,
}

/// No key of a set made a signature.
pub(super) struct NoSigner {
    pub(super) reason: Reason,
    /// Whether the token's key may be one that the issuer has added since.
    pub(super) newer_keys_may_help: bool,
}

/// Why a text holds no keys at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeys {
    #[error(
        "is neither a PEM (`-----BEGIN PUBLIC KEY-----`) nor a JWK nor a JWK set; give one of them"
    )]
    Text,
    #[error("holds a private key; give the public one (`openssl pkey -pubout`)")]
    Private,
    #[error("holds a certificate; give its public key (`openssl x509 -pubkey -noout`)")]
    Certificate,
    #[error(
        "holds no usable key ({0}); give an RSA key of 2048 bits or more, a P-256, P-384 or Ed25519 one"
    )]
    Unusable(String),
}

impl KeySet {
    /// Reads a JWK set; one bad key harms no other. Nothing when it is no JWK set.
    pub(super) fn from_jwks(json: &[u8]) -> Option<KeySet> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }
        let jwks: Jwks = serde_json::from_slice(json).ok()?;
        Some(jwks.keys.into_iter().take(KEYS_MAX).map(from_jwk).collect())
    }

    /// Reads what an operator gave: PEM blocks, a JWK or a JWK set.
    pub(super) fn from_text(text: &str) -> Result<KeySet, NoKeys> {
        let set = if text.contains("-----BEGIN ") {
            from_pem(text)?
        } else if let Some(set) = KeySet::from_jwks(text.as_bytes()) {
            set
        } else if let Ok(jwk @ Value::Object(_)) = serde_json::from_str(text) {
            [from_jwk(jwk)].into_iter().collect()
        } else {
            return Err(NoKeys::Text);
        };
        if set.unusable.contains(&Unusable::Private) {
            return Err(NoKeys::Private);
        }
        if set.keys.is_empty() {
            return Err(NoKeys::Unusable(set.why_unusable()));
        }
        Ok(set)
    }

    /// The key that made the signature. It has the token's `kid`; where none has, or the token names none, keys without a
    /// `kid`, or all, are tried.
    pub(super) fn signer(
        &self,
        kid: Option<&str>,
        message: &str,
        signature: &str,
        algorithm: Algorithm,
    ) -> Result<KeyId, NoSigner> {
        let named = |key: &Key| kid.is_some() && key.kid.as_deref() == kid;
        let is_named = self.keys.iter().any(named);
        let candidates = || {
            self.keys.iter().filter(|key| match is_named {
                true => named(key),
                false => kid.is_none() || key.kid.is_none(),
            })
        };
        if let Some(key) = candidates().find(|key| key.verifies(message, signature, algorithm)) {
            return Ok(key.id);
        }
        let reason = if candidates().next().is_none() {
            Reason::UnknownKey
        } else if !candidates().any(|key| key.algorithms.contains(&algorithm)) {
            Reason::Algorithm
        } else {
            Reason::Signature
        };
        Err(NoSigner {
            reason,
            newer_keys_may_help: !is_named,
        })
    }

    pub(super) fn why_unusable(&self) -> String {
        let mut reasons: Vec<String> = self.unusable.iter().map(Unusable::to_string).collect();
        reasons.dedup();
        if reasons.is_empty() {
            reasons.push("it is empty".to_owned());
        }
        reasons.join("; ")
    }

    pub(super) fn contains(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }
}

impl FromIterator<Result<Key, Unusable>> for KeySet {
    fn from_iter<I: IntoIterator<Item = Result<Key, Unusable>>>(keys: I) -> KeySet {
        let mut set = KeySet::default();
        for key in keys {
            match key {
                Ok(key) => set.keys.push(key),
                Err(why) => set.unusable.push(why),
            }
        }
        set
    }
}

/// Every block of a PEM text is a key, so that an operator can have the old one and the new one side by side.
fn from_pem(text: &str) -> Result<KeySet, NoKeys> {
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1).take(KEYS_MAX) {
        let label = block.split("-----").next().unwrap_or_default();
        if label.ends_with("PRIVATE KEY") {
            return Err(NoKeys::Private);
        }
        if label.ends_with("CERTIFICATE") {
            return Err(NoKeys::Certificate);
        }
        keys.push(from_pem_block(&format!("-----BEGIN {block}")));
    }
    Ok(keys.into_iter().collect())
}
