//! Public keys: PEM, as cosign and OpenSSL write it, and minisign's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use sigstore_verify::crypto::{KeyAlgorithm, VerificationKey};
use sigstore_verify::types::DerPublicKey;

/// Bytes of the digest that identify a PEM key to people. A key is never looked up by it.
const SHOWN_DIGEST_BYTES: usize = 8;

/// A public key whose signatures are trusted. `Display` identifies it to people.
#[derive(Clone)]
pub struct TrustedKey {
    name: String,
    pub(super) kind: Kind,
}

/// The two kinds of keys.
#[derive(Clone)]
pub(super) enum Kind {
    /// ECDSA on P-256 or Ed25519 (RFC 5280, `SubjectPublicKeyInfo`).
    Pem(DerPublicKey),
    Minisign(minisign_verify::PublicKey, KeyId),
}

/// minisign's identifier of a key pair. It is in each signature, and not secured by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId([u8; 8]);

/// The reason why a text is not a public key that can be trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is the secret half of a key pair.
    #[error("is a private key, which belongs to the signer alone; name the public one")]
    Private,
    /// The algorithm is not supported.
    #[error("is a key that is neither ECDSA on P-256 nor Ed25519; sign with such a key")]
    Algorithm,
    /// It is not a key.
    #[error(
        "is not a public key of cosign (PEM) or minisign; name its file as {{ file = \"cosign.pub\" }}"
    )]
    Malformed,
}

impl TrustedKey {
    /// Parses PEM with a `SubjectPublicKeyInfo`, or the content or last line of a public key file of minisign.
    ///
    /// # Errors
    /// The text is something else, or the key's algorithm is not supported.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let first = text.lines().next().unwrap_or_default();
        if first.contains("PRIVATE KEY") || first.contains("secret key") {
            return Err(KeyError::Private);
        }
        match text.starts_with("-----BEGIN") {
            true => Self::parse_pem(text),
            false => Self::parse_minisign(text),
        }
    }

    fn parse_pem(text: &str) -> Result<Self, KeyError> {
        let key = DerPublicKey::from_pem(text).map_err(|_| KeyError::Malformed)?;
        let algorithm = match KeyAlgorithm::from_spki(&key) {
            Ok(KeyAlgorithm::EcdsaP256) => "ECDSA",
            Ok(KeyAlgorithm::Ed25519) => "Ed25519",
            _ => return Err(KeyError::Algorithm),
        };
        VerificationKey::from_spki(&key).map_err(|_| KeyError::Malformed)?;
        let digest = Sha256::digest(key.as_bytes());
        let digest = digest.iter().take(SHOWN_DIGEST_BYTES);
        let digest: String = digest.map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            name: format!("the {algorithm} key sha256:{digest}…"),
            kind: Kind::Pem(key),
        })
    }

    fn parse_minisign(text: &str) -> Result<Self, KeyError> {
        let line = text.lines().last().unwrap_or_default().trim();
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| KeyError::Malformed)?;
        let id = KeyId::parse(line).ok_or(KeyError::Malformed)?;
        Ok(Self {
            name: format!("the minisign key {id}"),
            kind: Kind::Minisign(key, id),
        })
    }
}

impl PartialEq for TrustedKey {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Pem(key), Kind::Pem(other)) => key.as_bytes() == other.as_bytes(),
            (Kind::Minisign(key, id), Kind::Minisign(other, other_id)) => {
                key == other && id == other_id
            }
            _ => false,
        }
    }
}

impl KeyId {
    /// Reads the identifier from a base64 line of a key or a signature: it follows the two bytes of the algorithm.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let bytes = STANDARD.decode(line).ok()?;
        Some(Self(bytes.get(2..10)?.try_into().ok()?))
    }
}

impl fmt::Display for KeyId {
    /// Formats the identifier as minisign does: a little-endian number in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustedKey").field(&self.name).finish()
    }
}
