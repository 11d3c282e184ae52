//! The signatures of components: looked for beside a file, or at the server of a remote component.

use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::artifact::{FetchError, Fetcher};
use crate::files::read_regular_text;
use crate::reference::{Origin, SIGNATURE_EXTENSIONS};
use crate::text::error_chain;
use crate::trust::{Content, Evidence, MAX_SIGNATURE_BYTES, Signature, Signers, TrustError};

/// Reads the signatures beside the file of a component.
fn beside(component: &Path) -> Evidence {
    let mut evidence = Evidence::default();
    for extension in SIGNATURE_EXTENSIONS {
        let mut path = OsString::from(component);
        path.push(extension);
        let path = PathBuf::from(path);
        let place = path.display().to_string();
        let content = match read_regular_text(&path, MAX_SIGNATURE_BYTES) {
            Ok(text) if extension == ".minisig" => Content::Minisign(text),
            Ok(text) => Content::Bundle(text),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                evidence.searched.push(place);
                continue;
            }
            Err(error) => Content::Unreadable(error.to_string()),
        };
        evidence.signatures.push(Signature { place, content });
    }
    evidence
}

/// The reason why a signature is not accepted, or could not be looked for.
pub(super) enum VerifyError {
    Fetch(FetchError),
    Trust(TrustError),
}

/// Verifies the signatures beside the file of a component. Returns a description of the signer.
///
/// # Errors
/// There is none, or none is accepted.
pub(super) async fn verify_file(
    component: &Path,
    bytes: Bytes,
    signers: &Signers,
) -> Result<String, VerifyError> {
    let (component, signers) = (component.to_owned(), signers.clone());
    let verifying =
        tokio::task::spawn_blocking(move || signers.verify(&bytes, &beside(&component)));
    let verified = verifying.await.unwrap_or(Err(TrustError::NotVerified));
    verified.map_err(VerifyError::Trust)
}

/// Verifies the signatures of a fetched component: those that were kept, or else those at its server. Returns a
/// description of the signer.
///
/// # Errors
/// There is none, none is accepted, or its server cannot be asked.
pub(super) async fn verify_remote(
    fetcher: &Fetcher,
    origin: &Origin,
    bytes: Bytes,
    signers: &Signers,
) -> Result<String, VerifyError> {
    if let Some(kept) = fetcher.kept_signatures(origin)
        && let (Ok(signer), _) = verify(bytes.clone(), kept, signers).await
    {
        return Ok(signer);
    }
    let found = fetcher.signatures(origin).await;
    let found = found.map_err(VerifyError::Fetch)?;
    let (verified, evidence) = verify(bytes, found, signers).await;
    let signer = verified.map_err(VerifyError::Trust)?;
    if let Some(evidence) = evidence {
        fetcher.keep_signatures(origin, &evidence);
    }
    Ok(signer)
}

/// Verifies signatures on a thread for such work, and returns them, unless that panics.
async fn verify(
    bytes: Bytes,
    evidence: Evidence,
    signers: &Signers,
) -> (Result<String, TrustError>, Option<Evidence>) {
    let signers = signers.clone();
    let verifying =
        tokio::task::spawn_blocking(move || (signers.verify(&bytes, &evidence), evidence));
    match verifying.await {
        Ok((verified, evidence)) => (verified, Some(evidence)),
        Err(_) => (Err(TrustError::NotVerified), None),
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => f.write_str(&error_chain(error)),
            Self::Trust(error) => error.fmt(f),
        }
    }
}
