//! The bytes of a component and their digest.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The bytes of a component, with their digest, which is computed once.
#[derive(Debug, Clone)]
pub struct ComponentBytes {
    bytes: Bytes,
    digest: String,
}

impl ComponentBytes {
    /// Computes the digest.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest(&bytes),
            bytes,
        }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the digest, in the form of [`digest`].
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Returns the SHA-256 digest of a component's bytes: `sha256:` and lower-case hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}
