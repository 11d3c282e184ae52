//! Signatures of minisign.

use minisign_verify::{Error, Signature};

use super::error::Rejection;
use super::evidence::Subject;
use super::key::{KeyId, Kind, TrustedKey};

/// Verifies a signature file, with its trusted comment. Returns the key.
///
/// # Errors
/// The signature is malformed, by another key, or of other bytes.
pub(super) fn verify<'k>(
    text: &str,
    subject: &Subject<'_>,
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Rejection> {
    let malformed = || {
        Rejection::Malformed(
            "it is not a signature of minisign, such as `minisign -S` makes".into(),
        )
    };
    let signature = Signature::decode(text).map_err(|_| malformed())?;
    let line = text.lines().nth(1).unwrap_or_default();
    let id = KeyId::parse(line).ok_or_else(malformed)?;
    let mut has_id = false;
    for trusted in keys {
        let Kind::Minisign(key, key_id) = &trusted.kind else {
            continue;
        };
        if *key_id != id {
            continue;
        }
        has_id = true;
        // Signatures of the older form are of the bytes themselves instead of their hash, which is as safe.
        let allow_legacy = true;
        match key.verify(subject.bytes, &signature, allow_legacy) {
            Ok(()) => return Ok(trusted),
            Err(Error::InvalidSignature) => {}
            Err(_) => return Err(malformed()),
        }
    }
    Err(match has_id {
        true => Rejection::OtherBytes,
        false => Rejection::OtherKey(format!("the minisign key {id}")),
    })
}
