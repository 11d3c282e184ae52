//! What an operator or an embedder says about the guard: plain data. [`Guard::build`](super::Guard::build) judges it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

use super::algorithm::Algorithm;

/// The settings of a guard. [`GuardConfig::new`] gives the secure defaults.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// The resource identifier (RFC 9728 §1.2): exactly the URL that clients use, emitted byte for byte. Its path tells where
    /// the metadata stands.
    pub resource: String,
    /// Whose tokens are accepted: the first is `[auth]` itself, the rest `[[auth.issuers]]`.
    pub issuers: Vec<IssuerConfig>,
    /// The metadata's `authorization_servers`, emitted byte for byte; empty means the issuers.
    pub authorization_servers: Vec<String>,
    /// The scopes that every request needs.
    pub required_scopes: Vec<String>,
    /// Which scopes a scope brings with it, transitively; a cycle is harmless.
    pub scope_implies: BTreeMap<String, Vec<String>>,
    /// How far the issuer's clock may be off, 60 s; at most [`LEEWAY_SECONDS_MAX`].
    pub leeway: Duration,
    /// Accept only tokens whose header says `typ: at+jwt` (RFC 9068 §2.1).
    pub require_at_jwt: bool,
    /// The claims that [`Caller::claims`](super::Principal::claims) hands on, by name.
    pub pass_claims: Vec<String>,
    /// How long known keys serve on past their freshness while they cannot be fetched, 24 h; at most
    /// [`OUTAGE_SECONDS_MAX`].
    pub outage: Duration,
}

/// The most that [`GuardConfig::leeway`] may be.
pub const LEEWAY_SECONDS_MAX: u64 = 600;

/// The most that [`GuardConfig::outage`] may be: 7 days, since a key that was withdrawn serves on as long.
pub const OUTAGE_SECONDS_MAX: u64 = 7 * 24 * 3600;

/// One issuer: its own audience, keys and algorithms. Nothing of it is good for another issuer's tokens.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// The `iss` of its tokens. Compared byte for byte, but that a URL without a path may end in a slash or not.
    pub issuer: String,
    /// The accepted audiences: one of them must stand in `aud`. Compared as the issuer is.
    pub audience: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The accepted algorithms; empty means every asymmetric one that the key's type and its `alg` allow.
    pub algorithms: Vec<Algorithm>,
    /// Lets the keys (and the metadata that names them) stand at a private or loopback address. Not needed where the URL
    /// in the settings itself names such a host. Link-local and cloud metadata addresses stay refused.
    pub private_network: bool,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The issuer's metadata names them: RFC 8414 first, then OpenID Connect Discovery.
    Discover,
    /// A JWK set at this URL: https, or http on loopback.
    JwksUri(Url),
    /// The text of a PEM (one or more public keys), of a JWK or of a JWK set.
    PublicKey(String),
    /// An HMAC secret: only with [`IssuerConfig::algorithms`] naming the HMACs.
    Secret(Secret),
}

/// A shared secret, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// One thing that is wrong with the settings: a sentence that names the key and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {says}")]
pub struct GuardConfigError {
    /// The key as it stands in the configuration file: `auth.jwks-uri`, `auth.issuers[0].audience`.
    pub key: String,
    /// What is wrong with it and what to do.
    pub says: String,
}

impl GuardConfig {
    /// A guard for one resource and one issuer whose metadata names its keys.
    pub fn new(
        resource: impl Into<String>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> GuardConfig {
        GuardConfig {
            resource: resource.into(),
            issuers: vec![IssuerConfig::new(issuer, audience)],
            authorization_servers: Vec::new(),
            required_scopes: Vec::new(),
            scope_implies: BTreeMap::new(),
            leeway: Duration::from_secs(60),
            require_at_jwt: false,
            pass_claims: Vec::new(),
            outage: Duration::from_secs(24 * 3600),
        }
    }
}

impl IssuerConfig {
    /// An issuer whose metadata names its keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> IssuerConfig {
        IssuerConfig {
            issuer: issuer.into(),
            audience: vec![audience.into()],
            keys: KeySource::Discover,
            algorithms: Vec::new(),
            private_network: false,
        }
    }
}

impl Secret {
    /// Wraps the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// What was wrapped.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl GuardConfigError {
    pub(super) fn new(key: impl Into<String>, says: impl Into<String>) -> GuardConfigError {
        GuardConfigError {
            key: key.into(),
            says: says.into(),
        }
    }
}

/// Where an issuer's settings stand in the configuration file.
pub(super) fn prefix(index: usize) -> String {
    match index {
        0 => "auth".to_owned(),
        more => format!("auth.issuers[{}]", more - 1),
    }
}
