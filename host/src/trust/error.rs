//! The reasons why a component is not trusted, to be read after the component's name.

use crate::text::ellipsize;

/// Upper limit of each text in a reason that comes from a signature.
const MAX_SHOWN_BYTES: usize = 200;

/// The reason why a component is not trusted. `Display` is to be read after the component and a colon; texts of
/// signatures in it are bounded, but not escaped.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No signature was found.
    #[error(
        "it is not signed; expected is a signature by {expected}, and there is none at {searched}; \
         sign it, or trust it otherwise in [trust]"
    )]
    Unsigned {
        /// The trusted keys and identities.
        expected: String,
        /// The places where a signature was looked for.
        searched: String,
    },
    /// No signature that was found is accepted.
    #[error("its signature is not accepted: {rejected}; expected is a signature by {expected}")]
    Rejected {
        /// Each signature and the reason.
        rejected: String,
        /// The trusted keys and identities.
        expected: String,
    },
    /// The signed manifest describes another component.
    #[error(
        "its signatures are of the manifest {manifest}, which does not describe these bytes; fetch it again"
    )]
    OtherManifest {
        /// The digest of the manifest.
        manifest: String,
    },
    /// The verification panicked.
    #[error("its signatures could not be verified; the log says how")]
    NotVerified,
}

/// The reason why one signature is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The file or document cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The document is not a signature of this form.
    #[error("it cannot be understood: {0}")]
    Malformed(String),
    /// The signature was made with a key that is not trusted.
    #[error("it is by {0}, which is not trusted")]
    OtherKey(String),
    /// The signature fits none of the keys.
    #[error("it is not made with an expected key, or was altered")]
    NoKeyFits,
    /// The key fits and the bytes do not.
    #[error("it is a signature of other bytes; the component or its signature is out of date")]
    OtherBytes,
    /// The signature is of another digest.
    #[error("it is of the digest {0}; the component or its signature is out of date")]
    OtherDigest(String),
    /// The signature is of an artefact in another repository.
    #[error("it is for the repository `{0}`")]
    OtherRepository(String),
    /// The document is signed, but not a signature.
    #[error("it attests `{0}`, which is not a signature or provenance")]
    OtherStatement(String),
    /// The signature was made by somebody who is not trusted.
    #[error("it is by `{identity}` (issuer `{issuer}`), who is not trusted")]
    OtherIdentity {
        /// The subject of the certificate.
        identity: String,
        /// The issuer of the identity.
        issuer: String,
    },
    /// The form needs a key or an identity, and the other is configured.
    #[error("it is made with {0}, and none is trusted")]
    NoneConfigured(&'static str),
    /// The certificate, the log entry or the timestamp is not valid.
    #[error("{0}")]
    Sigstore(String),
}

/// Returns a text from a signature for an error, cut to a bounded length.
pub(super) fn shown(text: &str) -> String {
    ellipsize(text, MAX_SHOWN_BYTES).into_owned()
}
