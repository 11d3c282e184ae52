//! Everything that was found about the signatures of a component, before it is verified.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::TrustError;
use crate::json::{self, DuplicateKeys};

/// Upper limit of one signature, bundle or payload. Bundles with certificates and proofs have about 10 KiB, provenance
/// some more.
pub(crate) const MAX_SIGNATURE_BYTES: u64 = 256 << 10;
/// Upper limit of the signatures of a component that are looked at: one for each key of a rotation or each architecture
/// of an image.
pub(crate) const MAX_SIGNATURES: usize = 16;

/// The signatures that were found, and where.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// The manifest that the signatures are of; `None` if they are of the component's bytes.
    pub(crate) manifest: Option<SignedManifest>,
    pub(crate) signatures: Vec<Signature>,
    /// The places where a signature was looked for.
    pub(crate) searched: Vec<String>,
}

/// The manifest of a component in a registry, which holds the digest of the component.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignedManifest {
    /// Its bytes, which are JSON.
    pub(crate) json: String,
    /// The repository: `registry/name`.
    pub(crate) repository: String,
}

/// One signature and the place where it was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) place: String,
    pub(crate) content: Content,
}

/// A signature as it was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Content {
    /// A signature file of minisign.
    Minisign(String),
    /// A Sigstore bundle, in JSON.
    Bundle(String),
    /// A payload of cosign's form "simple signing", and its signature in base64.
    SimpleSigning { payload: String, signature: String },
    /// The signature cannot be read, for this reason.
    Unreadable(String),
}

/// The bytes that a signature must be of.
pub(super) struct Subject<'a> {
    pub(super) bytes: &'a [u8],
    /// SHA-256 of the bytes, in hexadecimal.
    pub(super) digest: String,
    /// Repository of a manifest.
    pub(super) repository: Option<&'a str>,
}

impl Evidence {
    /// Returns the bytes that the signatures must be of.
    ///
    /// # Errors
    /// They are of a manifest that does not describe the component.
    pub(super) fn subject<'a>(&'a self, component: &'a [u8]) -> Result<Subject<'a>, TrustError> {
        let Some(manifest) = &self.manifest else {
            return Ok(Subject {
                bytes: component,
                digest: hex_digest(component),
                repository: None,
            });
        };
        let bytes = manifest.json.as_bytes();
        let digest = hex_digest(bytes);
        let expected = format!("sha256:{}", hex_digest(component));
        let document = json::parse(bytes, DuplicateKeys::Reject).unwrap_or_default();
        let layers = document.get("layers").and_then(Value::as_array);
        match layers.map(Vec::as_slice) {
            Some([layer]) if layer["digest"].as_str() == Some(&expected) => Ok(Subject {
                bytes,
                digest,
                repository: Some(&manifest.repository),
            }),
            _ => Err(TrustError::OtherManifest {
                manifest: format!("sha256:{digest}"),
            }),
        }
    }
}

fn hex_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
