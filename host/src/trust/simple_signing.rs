//! Signatures of cosign in the form "simple signing": a JSON document that names a manifest and its repository, and a
//! signature of that document.

use serde_json::Value;
use sigstore_verify::crypto::VerificationKey;
use sigstore_verify::types::SignatureBytes;

use super::error::{Rejection, shown};
use super::evidence::Subject;
use super::key::{Kind, TrustedKey};
use crate::json::{self, DuplicateKeys};

/// The type of cosign's document.
const SIGNATURE_TYPE: &str = "cosign container image signature";
/// Docker's own registry in references, and in documents of cosign.
const DOCKER_HUB: (&str, &str) = ("docker.io/", "index.docker.io/");

/// Verifies the document and its signature in base64. Returns the key.
///
/// # Errors
/// The document is malformed, of another manifest or another repository, or not signed with one of the keys.
pub(super) fn verify<'k>(
    payload: &str,
    signature: &str,
    subject: &Subject<'_>,
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Rejection> {
    let malformed = |reason: &str| Rejection::Malformed(reason.to_owned());
    let document = json::parse(payload.as_bytes(), DuplicateKeys::Reject)
        .map_err(|error| Rejection::Malformed(shown(&error.to_string())))?;
    let critical = &document["critical"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if critical["type"].as_str() != Some(SIGNATURE_TYPE) {
        return Err(malformed("its payload is not a signature of cosign"));
    }
    let digest = text(&critical["image"]["docker-manifest-digest"])
        .ok_or_else(|| malformed("its payload names no digest"))?;
    let repository = text(&critical["identity"]["docker-reference"])
        .ok_or_else(|| malformed("its payload names no repository"))?;
    let signature =
        SignatureBytes::from_base64(signature).map_err(|_| malformed("it is not base64"))?;
    // The document is compared first because it explains more. It is not trusted before its signature is verified.
    if digest != format!("sha256:{}", subject.digest) {
        return Err(Rejection::OtherDigest(shown(&digest)));
    }
    if subject.repository.map(normalized) != Some(normalized(&repository)) {
        return Err(Rejection::OtherRepository(shown(&repository)));
    }
    let mut pem_keys = keys.iter().filter_map(|key| match &key.kind {
        Kind::Pem(der) => Some((key, der)),
        Kind::Minisign(..) => None,
    });
    let signer = pem_keys.find(|(_, der)| {
        let key = VerificationKey::from_spki(der);
        key.is_ok_and(|key| key.verify(payload, &signature).is_ok())
    });
    signer.map(|(key, _)| key).ok_or(Rejection::NoKeyFits)
}

/// Returns a repository without a tag and with one name of Docker's registry.
fn normalized(repository: &str) -> String {
    let name = match repository.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => repository,
    };
    let (hub, alias) = DOCKER_HUB;
    match name.strip_prefix(alias) {
        Some(rest) => format!("{hub}{rest}"),
        None => name.to_owned(),
    }
}
