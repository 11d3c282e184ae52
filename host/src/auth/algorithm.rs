//! The signature algorithms that can be configured.

use std::fmt;
use std::str::FromStr;

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037). `none` is not representable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are the standard's names")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

/// The error for a name outside [`Algorithm::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown algorithm; known are RS256/384/512, PS256/384/512, ES256/384, EdDSA and HS256/384/512"
)]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 12] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
    ];

    /// The algorithms of RSA keys.
    pub(super) const RSA: [Algorithm; 6] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];

    /// Returns the name used in a JOSE header.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Hs256 => "HS256",
            Algorithm::Hs384 => "HS384",
            Algorithm::Hs512 => "HS512",
        }
    }

    /// Returns whether signer and verifier share one secret.
    pub fn is_symmetric(self) -> bool {
        self.min_secret_bytes().is_some()
    }

    /// Returns the minimum secret length of an HMAC: the length of its hash (RFC 7518 §3.2). `None` for other
    /// algorithms.
    pub(super) fn min_secret_bytes(self) -> Option<usize> {
        match self {
            Algorithm::Hs256 => Some(32),
            Algorithm::Hs384 => Some(48),
            Algorithm::Hs512 => Some(64),
            _ => None,
        }
    }

    /// Converts to the type of `jsonwebtoken`.
    pub(super) fn to_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        use jsonwebtoken::Algorithm as Library;
        match self {
            Algorithm::Rs256 => Library::RS256,
            Algorithm::Rs384 => Library::RS384,
            Algorithm::Rs512 => Library::RS512,
            Algorithm::Ps256 => Library::PS256,
            Algorithm::Ps384 => Library::PS384,
            Algorithm::Ps512 => Library::PS512,
            Algorithm::Es256 => Library::ES256,
            Algorithm::Es384 => Library::ES384,
            Algorithm::EdDsa => Library::EdDSA,
            Algorithm::Hs256 => Library::HS256,
            Algorithm::Hs384 => Library::HS384,
            Algorithm::Hs512 => Library::HS512,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Parses the case-sensitive name used in a JOSE header. `Ed25519` (RFC 9864) is an alias of `EdDSA`.
    fn from_str(name: &str) -> Result<Algorithm, UnknownAlgorithm> {
        if name == "Ed25519" {
            return Ok(Algorithm::EdDsa);
        }
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
