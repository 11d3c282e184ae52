//! A set of verification keys, parsed from a JWKS, a JWK or PEM blocks, and the search for the key of a signature.

use serde_json::Value;

use super::algorithm::Algorithm;
use super::challenge::TokenError;
use super::key::{Key, KeyId, UnusableKey, from_jwk, from_pem_block};
use crate::json::{self, DuplicateKeys};

/// The maximum number of keys parsed from one set; further keys are ignored and reported. Real sets contain two to ten.
/// The limit bounds the work for a token without `kid`, for which each key is tried.
pub(super) const MAX_KEYS: usize = 256;

/// The usable keys of one source, and the reasons the other keys are unusable.
#[derive(Default)]
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    pub(super) unusable: Vec<UnusableKey>,
    /// The number of keys beyond [`MAX_KEYS`].
    pub(super) ignored: usize,
}

/// The error for a signature that no key of a set verifies.
pub(super) struct NoMatchingKey {
    pub(super) reason: TokenError,
    /// The token's key may be one that the issuer has added after the set was fetched.
    pub(super) newer_keys_may_match: bool,
}

/// The reason a configured text contains no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    #[error(
        "is neither a PEM (`-----BEGIN PUBLIC KEY-----`) nor a JWK nor a JWK set; give one of them"
    )]
    UnknownFormat,
    #[error("holds more than {MAX_KEYS} keys; remove those that sign no tokens")]
    TooManyKeys,
    #[error("holds a private key; give the public one (`openssl pkey -pubout`)")]
    PrivateKey,
    #[error("holds a certificate; give its public key (`openssl x509 -pubkey -noout`)")]
    Certificate,
    #[error(
        "holds no usable key ({0}); give an RSA key of 2048 bits or more, a P-256, P-384 or Ed25519 one"
    )]
    NoUsableKey(String),
}

impl KeySet {
    /// Parses a JWKS, or returns `None` if it is not one. An unusable key does not affect the others.
    pub(super) fn from_jwks(json: &[u8]) -> Option<KeySet> {
        let mut jwks = json::parse(json, DuplicateKeys::KeepLast).ok()?;
        let keys: Vec<Value> = serde_json::from_value(jwks.get_mut("keys")?.take()).ok()?;
        let ignored = keys.len().saturating_sub(MAX_KEYS);
        let set: KeySet = keys.into_iter().take(MAX_KEYS).map(from_jwk).collect();
        Some(KeySet { ignored, ..set })
    }

    /// Parses the configured text: PEM blocks, a JWK or a JWKS.
    pub(super) fn from_text(text: &str) -> Result<KeySet, KeySetError> {
        let set = if text.contains("-----BEGIN ") {
            from_pem(text)?
        } else if let Some(set) = KeySet::from_jwks(text.as_bytes()) {
            set
        } else if let Ok(jwk @ Value::Object(_)) =
            json::parse(text.as_bytes(), DuplicateKeys::KeepLast)
        {
            [from_jwk(jwk)].into_iter().collect()
        } else {
            return Err(KeySetError::UnknownFormat);
        };
        if set.ignored > 0 {
            return Err(KeySetError::TooManyKeys);
        }
        if set.unusable.contains(&UnusableKey::Private) {
            return Err(KeySetError::PrivateKey);
        }
        if set.keys.is_empty() {
            return Err(KeySetError::NoUsableKey(set.unusable_reasons()));
        }
        Ok(set)
    }

    /// Returns the key that verifies the signature.
    ///
    /// The candidates are the keys with the token's `kid`. If no key has it, they are the keys without a `kid`; if the
    /// token has none, they are all keys.
    pub(super) fn find_signing_key(
        &self,
        kid: Option<&str>,
        message: &str,
        signature: &str,
        algorithm: Algorithm,
    ) -> Result<KeyId, NoMatchingKey> {
        let has_kid = |key: &Key| kid.is_some() && key.kid.as_deref() == kid;
        let is_kid_known = self.keys.iter().any(has_kid);
        let candidates = || {
            self.keys.iter().filter(|key| match is_kid_known {
                true => has_kid(key),
                false => kid.is_none() || key.kid.is_none(),
            })
        };
        if let Some(key) = candidates().find(|key| key.verifies(message, signature, algorithm)) {
            return Ok(key.id);
        }
        let reason = if candidates().next().is_none() {
            TokenError::UnknownKey
        } else if !candidates().any(|key| key.algorithms.contains(&algorithm)) {
            TokenError::Algorithm
        } else {
            TokenError::Signature
        };
        Err(NoMatchingKey {
            reason,
            newer_keys_may_match: !is_kid_known,
        })
    }

    /// Returns the reasons the keys are unusable, in one line.
    pub(super) fn unusable_reasons(&self) -> String {
        let mut reasons: Vec<String> = self.unusable.iter().map(UnusableKey::to_string).collect();
        reasons.dedup();
        if reasons.is_empty() {
            reasons.push("it is empty".to_owned());
        }
        reasons.join("; ")
    }

    /// Returns whether the set contains this key.
    pub(super) fn contains(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }
}

impl FromIterator<Result<Key, UnusableKey>> for KeySet {
    fn from_iter<I: IntoIterator<Item = Result<Key, UnusableKey>>>(keys: I) -> KeySet {
        let mut set = KeySet::default();
        for key in keys {
            match key {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.unusable.push(reason),
            }
        }
        set
    }
}

/// Parses every block of a PEM text as one key, so that an operator can configure the old and the new key together.
fn from_pem(text: &str) -> Result<KeySet, KeySetError> {
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        if keys.len() == MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let label = block.split("-----").next().unwrap_or_default();
        if label.ends_with("PRIVATE KEY") {
            return Err(KeySetError::PrivateKey);
        }
        if label.ends_with("CERTIFICATE") {
            return Err(KeySetError::Certificate);
        }
        keys.push(from_pem_block(&format!("-----BEGIN {block}")));
    }
    Ok(keys.into_iter().collect())
}
