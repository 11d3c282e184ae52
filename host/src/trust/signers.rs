//! The keys and identities that are trusted for a component, and the verification of what was found against them.

use std::fmt;

use super::bundle::{self, TrustedIdentity};
use super::error::{Rejection, TrustError};
use super::evidence::{Content, Evidence, MAX_SIGNATURES, Subject};
use super::key::TrustedKey;
use super::{minisign, simple_signing};

/// Keys and identities, one of which must have signed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signers {
    /// Public keys.
    pub keys: Vec<TrustedKey>,
    /// Identities of keyless signatures.
    pub identities: Vec<TrustedIdentity>,
}

impl Signers {
    /// Returns whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.identities.is_empty()
    }

    /// Verifies that one of the signatures is of the component and by one of the signers. Returns a description of the
    /// signer. Takes some milliseconds, and longer for large components.
    ///
    /// # Errors
    /// There is no signature, or none is accepted.
    pub(crate) fn verify(
        &self,
        component: &[u8],
        evidence: &Evidence,
    ) -> Result<String, TrustError> {
        let subject = evidence.subject(component)?;
        let mut rejected = Vec::new();
        for signature in evidence.signatures.iter().take(MAX_SIGNATURES) {
            match self.verify_one(&subject, &signature.content) {
                Ok(signer) => return Ok(signer),
                Err(reason) => rejected.push(format!("`{}`: {reason}", signature.place)),
            }
        }
        let expected = self.to_string();
        Err(match rejected.is_empty() {
            true => TrustError::Unsigned {
                expected,
                searched: quoted(&evidence.searched, " or "),
            },
            false => TrustError::Rejected {
                expected,
                rejected: rejected.join("; "),
            },
        })
    }

    fn verify_one(&self, subject: &Subject<'_>, content: &Content) -> Result<String, Rejection> {
        let keys = &self.keys;
        match content {
            Content::Minisign(text) => minisign::verify(text, subject, keys).map(key_name),
            Content::SimpleSigning { payload, signature } => {
                simple_signing::verify(payload, signature, subject, keys).map(key_name)
            }
            Content::Bundle(text) => bundle::verify(text, subject, keys, &self.identities),
            Content::Unreadable(reason) => Err(Rejection::Unreadable(reason.clone())),
        }
    }
}

fn key_name(key: &TrustedKey) -> String {
    key.to_string()
}

fn quoted(texts: &[String], separator: &str) -> String {
    let texts: Vec<_> = texts.iter().map(|text| format!("`{text}`")).collect();
    texts.join(separator)
}

impl fmt::Display for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter().map(TrustedKey::to_string);
        let identities = self.identities.iter().map(TrustedIdentity::to_string);
        let all: Vec<_> = keys.chain(identities).collect();
        f.write_str(&all.join(" or "))
    }
}
