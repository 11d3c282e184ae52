//! Sigstore bundles: made with a key, or with a short-lived certificate for an identity ("keyless").

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sigstore_verify::crypto::VerificationKey;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::bundle::VerificationMaterialContent;
use sigstore_verify::types::{Bundle, SignatureContent};
use sigstore_verify::{Error, VerificationPolicy, Verifier};

use super::error::{Rejection, shown};
use super::evidence::Subject;
use super::key::{Kind, TrustedKey};
use crate::json::{self, DuplicateKeys};

/// The statements (in-toto, `predicateType`) that count as a signature of their subject: cosign's own, and provenance
/// (SLSA). A signed scan or a bill of materials does not say that the subject is to be trusted.
const SIGNATURE_STATEMENTS: [&str; 3] = [
    "https://sigstore.dev/cosign/sign/v1",
    "https://slsa.dev/provenance/v1",
    "https://slsa.dev/provenance/v0.2",
];

/// Somebody whose keyless signatures are trusted. `Display` identifies them to people.
#[derive(Clone)]
pub struct TrustedIdentity {
    /// The subject of the certificate; `*` at the end stands for any text.
    identity: String,
    issuer: String,
    /// The digest of the trusted root.
    root: [u8; 32],
    verifier: Arc<Verifier>,
}

/// The reason why an identity cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The trusted root is malformed.
    #[error("is not a trusted root of Sigstore: {0}")]
    Root(String),
    /// The identity is empty or matches everybody.
    #[error("would trust everybody; name an e-mail address or the URL of a workflow")]
    Everybody,
}

impl TrustedIdentity {
    /// Creates the identity of `issuer`. `root` is a trusted root in JSON, as `cosign trusted-root create` or the TUF
    /// repository of Sigstore provide it.
    ///
    /// # Errors
    /// The trusted root is malformed, or the identity matches everybody.
    pub fn new(identity: &str, issuer: &str, root: &str) -> Result<Self, IdentityError> {
        if identity.trim_end_matches('*').is_empty() {
            return Err(IdentityError::Everybody);
        }
        let malformed = |error: String| IdentityError::Root(shown(&error));
        json::parse(root.as_bytes(), DuplicateKeys::Reject)
            .map_err(|error| malformed(error.to_string()))?;
        let digest = Sha256::digest(root.as_bytes()).into();
        let root = TrustedRoot::from_json(root).map_err(|error| malformed(error.to_string()))?;
        let verifier = Verifier::new(&root).map_err(|error| malformed(error.to_string()))?;
        Ok(Self {
            identity: identity.to_owned(),
            issuer: issuer.to_owned(),
            root: digest,
            verifier: Arc::new(verifier),
        })
    }

    fn matches(&self, subject: &str) -> bool {
        match self.identity.strip_suffix('*') {
            Some(prefix) => subject.starts_with(prefix),
            None => subject == self.identity,
        }
    }

    /// Verifies the certificate, its log entry and the signature. Returns the subject of the certificate.
    fn verify(&self, bundle: &Bundle, subject: &Subject<'_>) -> Result<String, Rejection> {
        let policy = VerificationPolicy::any_identity().require_issuer(self.issuer.as_str());
        let verified = self.verifier.verify(subject.bytes, bundle, &policy);
        let verified = verified.map_err(|error| rejection(&error))?;
        let identity = verified.identity().map(|found| found.as_str().to_owned());
        let identity = identity.unwrap_or_default();
        // The policy demands these; another version of the library must not weaken it.
        let is_verified = verified.certificate_verified()
            && verified.sct_verified()
            && verified.tlog_verified()
            && verified.issuer() == Some(self.issuer.as_str());
        match is_verified && self.matches(&identity) {
            true => Ok(identity),
            false => Err(Rejection::OtherIdentity {
                identity: shown(&identity),
                issuer: shown(verified.issuer().unwrap_or_default()),
            }),
        }
    }
}

/// Verifies a bundle. Returns the description of the key or identity.
///
/// # Errors
/// The bundle is malformed, of another digest, or not by one of the keys or identities.
pub(super) fn verify(
    text: &str,
    subject: &Subject<'_>,
    keys: &[TrustedKey],
    identities: &[TrustedIdentity],
) -> Result<String, Rejection> {
    let bundle = parse(text)?;
    check_digest(&bundle, subject)?;
    if matches!(
        bundle.verification_material.content,
        VerificationMaterialContent::PublicKey(_)
    ) {
        return verify_with_keys(&bundle, subject, keys);
    }
    let mut rejection = Rejection::NoneConfigured("a certificate for an identity");
    for trusted in identities {
        match trusted.verify(&bundle, subject) {
            Ok(identity) => return Ok(format!("`{identity}` (issuer `{}`)", trusted.issuer)),
            Err(found) => rejection = found,
        }
    }
    Err(rejection)
}

fn parse(text: &str) -> Result<Bundle, Rejection> {
    let malformed = |error: String| Rejection::Malformed(shown(&error));
    // Bounds the depth, and rejects documents that parsers read differently.
    let document = json::parse(text.as_bytes(), DuplicateKeys::Reject)
        .map_err(|error| malformed(error.to_string()))?;
    if document.get("base64Signature").is_some() {
        return Err(malformed(
            "it has an older form of cosign; sign with `--new-bundle-format`".into(),
        ));
    }
    Bundle::from_json(text).map_err(|error| malformed(error.to_string()))
}

/// Compares the digest in the bundle, which is not trusted, because it explains more than a signature that does not fit.
/// Statements that are not signatures are rejected.
fn check_digest(bundle: &Bundle, subject: &Subject<'_>) -> Result<(), Rejection> {
    let other = |digest: &str| Rejection::OtherDigest(format!("sha256:{}", shown(digest)));
    match &bundle.content {
        SignatureContent::MessageSignature(message) => match &message.message_digest {
            Some(digest) if digest.digest.to_hex() != subject.digest => {
                Err(other(&digest.digest.to_hex()))
            }
            _ => Ok(()),
        },
        SignatureContent::DsseEnvelope(envelope) => {
            let statement = json::parse(envelope.payload.as_bytes(), DuplicateKeys::Reject)
                .map_err(|error| Rejection::Malformed(shown(&error.to_string())))?;
            let kind = statement["predicateType"].as_str().unwrap_or_default();
            if !SIGNATURE_STATEMENTS.contains(&kind) {
                return Err(Rejection::OtherStatement(shown(kind)));
            }
            let subjects = statement["subject"].as_array();
            let digests = subjects.into_iter().flatten();
            let digests: Vec<_> = digests
                .filter_map(|subject| subject["digest"]["sha256"].as_str())
                .collect();
            match digests.first() {
                _ if digests.contains(&subject.digest.as_str()) => Ok(()),
                Some(digest) => Err(other(digest)),
                None => Err(Rejection::Malformed("it names no SHA-256 digest".into())),
            }
        }
        _ => Err(Rejection::Malformed("it holds no signature".into())),
    }
}

/// Verifies a bundle that was made with a key. Its log entries and timestamps do not matter: the key itself is trusted,
/// whenever it was used. The digest has been compared already, so that a statement is about the subject.
fn verify_with_keys(
    bundle: &Bundle,
    subject: &Subject<'_>,
    keys: &[TrustedKey],
) -> Result<String, Rejection> {
    let (signed, signature) = match &bundle.content {
        SignatureContent::MessageSignature(message) => {
            (Cow::Borrowed(subject.bytes), &message.signature)
        }
        SignatureContent::DsseEnvelope(envelope) => {
            (Cow::Owned(envelope.pae()), &envelope.signature.sig)
        }
        _ => return Err(Rejection::Malformed("it holds no signature".into())),
    };
    let mut rejected = Rejection::NoneConfigured("a key of cosign");
    for trusted in keys {
        let Kind::Pem(key) = &trusted.kind else {
            continue;
        };
        let key = VerificationKey::from_spki(key);
        if key.is_ok_and(|key| key.verify(&signed, signature).is_ok()) {
            return Ok(trusted.to_string());
        }
        rejected = Rejection::NoKeyFits;
    }
    Err(rejected)
}

fn rejection(error: &Error) -> Rejection {
    match error {
        Error::SignatureInvalid(_) | Error::Crypto(_) => Rejection::NoKeyFits,
        Error::ArtifactMismatch(_) => Rejection::OtherBytes,
        Error::IssuerMismatch { actual, .. } => Rejection::OtherIdentity {
            identity: "?".into(),
            issuer: shown(actual.as_deref().unwrap_or("none")),
        },
        other => Rejection::Sigstore(shown(&other.to_string())),
    }
}

impl fmt::Display for TrustedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (issuer `{}`)", self.identity, self.issuer)
    }
}

impl PartialEq for TrustedIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.issuer == other.issuer && self.root == other.root
    }
}

impl fmt::Debug for TrustedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        f.debug_tuple("TrustedIdentity").field(&text).finish()
    }
}
