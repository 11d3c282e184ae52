//! The configuration of the guard, as plain data. [`Guard::build`](super::Guard::build) validates it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::algorithm::Algorithm;

/// The configuration of a guard. [`GuardConfig::new`] sets secure defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardConfig {
    /// The resource identifier (RFC 9728 §1.2): exactly the URL that clients use, sent byte for byte. Its path
    /// determines the path of the metadata.
    pub resource: String,
    /// The trusted issuers: the first is configured in `[auth]`, the others in `[[auth.issuers]]`.
    pub issuers: Vec<IssuerConfig>,
    /// The metadata's `authorization_servers`, sent byte for byte; if empty, the issuers are listed.
    pub authorization_servers: Vec<String>,
    /// The URL of the metadata that challenges name. `None` means the well-known URL of the resource (RFC 9728 §3.1);
    /// another one is needed if clients reach only a path prefix of the resource's host here.
    pub metadata_url: Option<String>,
    /// The claims whose values are scopes, by name or JSON Pointer; `scope` and `scp` by default.
    pub scope_claims: Vec<String>,
    /// The scopes that every request needs.
    pub required_scopes: Vec<String>,
    /// The scopes that each scope implies, transitively; cycles are allowed.
    pub scope_implies: BTreeMap<String, Vec<String>>,
    /// The tolerated difference between the clocks of issuer and host; 60 s by default, at most [`MAX_LEEWAY_SECONDS`].
    pub leeway: Duration,
    /// Accepts only tokens with `typ: at+jwt` in the header (RFC 9068 §2.1).
    pub require_at_jwt: bool,
    /// The names of the claims that [`Caller::claims`](super::Caller::claims) contains.
    pub pass_claims: Vec<String>,
    /// How long keys remain in use after they became stale while they cannot be fetched; 24 h by default, at most
    /// [`MAX_OUTAGE_SECONDS`].
    pub outage: Duration,
    /// The proxy for the fetching of keys over https; `None` means the one in the environment variable `HTTPS_PROXY`.
    /// Hosts in `NO_PROXY` and loopback are contacted directly. The proxy resolves the names, so the policy on private
    /// addresses is the proxy's.
    pub proxy: Option<Url>,
    /// PEM certificates of authorities that are trusted for the fetching of keys, in addition to the system's.
    pub ca: Option<String>,
}

/// The largest [`GuardConfig::leeway`].
pub const MAX_LEEWAY_SECONDS: u64 = 600;

/// The largest [`GuardConfig::outage`], 7 days. A limit is needed because a revoked key also remains in use this long.
pub const MAX_OUTAGE_SECONDS: u64 = 7 * 24 * 3600;

/// One trusted issuer. Its audience, keys and algorithms apply only to its own tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuerConfig {
    /// The `iss` of its tokens, compared byte for byte, except that a URL without a path may or may not end in a slash.
    /// With [`tenants`](Self::tenants), `{tenant}` in it stands for each of them.
    pub issuer: String,
    /// The tenants whose tokens are accepted. Each is an issuer of its own, with its own keys.
    pub tenants: Vec<String>,
    /// The accepted audiences, compared like the issuer. A token's `aud` must contain at least one of them.
    pub audience: Vec<String>,
    /// The claim that contains the audience, by name or JSON Pointer, for an issuer whose access tokens have no `aud`.
    /// Tokens with `aud` are then rejected, and [`required_claims`](Self::required_claims) must tell access tokens from
    /// others.
    pub audience_claim: Option<String>,
    /// Claims, by name or JSON Pointer, and the value that each must have.
    pub required_claims: Map<String, Value>,
    /// The source of its keys.
    pub keys: KeySource,
    /// The accepted algorithms; if empty, all asymmetric ones that the key's type and its `alg` allow.
    pub algorithms: Vec<Algorithm>,
    /// Allows private and loopback addresses for the JWKS and for the metadata that names it. Not needed if the
    /// configured URL itself names such a host. Link-local and cloud metadata addresses are always rejected. If the
    /// configured URL is http, only private addresses are contacted.
    pub private_network: bool,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The JWKS named by the issuer's metadata: RFC 8414 first, then OpenID Connect Discovery.
    Discover,
    /// The JWKS at this URL: https, or http on loopback, or http with [`IssuerConfig::private_network`].
    JwksUri(Url),
    /// The text of a PEM file with one or more public keys, of a JWK, or of a JWKS.
    PublicKey(String),
    /// An HMAC secret. [`IssuerConfig::algorithms`] must list the HMAC algorithms.
    Secret(Secret),
}

/// A shared secret that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// An error in the configuration: a sentence that names the key and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {message}")]
pub struct GuardConfigError {
    /// The key in the configuration file, such as `auth.jwks-uri` or `auth.issuers[0].audience`.
    pub key: String,
    /// The problem and its remedy, to be read after the key.
    pub message: String,
}

impl GuardConfig {
    /// Configures one resource and one issuer whose metadata names its JWKS.
    pub fn new(
        resource: impl Into<String>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> GuardConfig {
        GuardConfig {
            resource: resource.into(),
            issuers: vec![IssuerConfig::new(issuer, audience)],
            authorization_servers: Vec::new(),
            metadata_url: None,
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            required_scopes: Vec::new(),
            scope_implies: BTreeMap::new(),
            leeway: Duration::from_secs(60),
            require_at_jwt: false,
            pass_claims: Vec::new(),
            outage: Duration::from_secs(24 * 3600),
            proxy: None,
            ca: None,
        }
    }
}

impl IssuerConfig {
    /// Configures an issuer whose metadata names its JWKS.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> IssuerConfig {
        IssuerConfig {
            issuer: issuer.into(),
            tenants: Vec::new(),
            audience: vec![audience.into()],
            audience_claim: None,
            required_claims: Map::new(),
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

    /// Returns the bytes of the secret.
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
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> GuardConfigError {
        GuardConfigError {
            key: key.into(),
            message: message.into(),
        }
    }
}

/// Returns the table of an issuer in the configuration file.
pub(super) fn prefix(index: usize) -> String {
    match index {
        0 => "auth".to_owned(),
        more => format!("auth.issuers[{}]", more - 1),
    }
}
