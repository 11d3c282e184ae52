//! A trusted issuer: its identifier, audience, algorithms and keys, built from a validated configuration.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::algorithm::Algorithm;
use super::claims::is_claim_reference;
use super::clock::Clock;
use super::compare::is_same;
use super::config::{GuardConfigError, IssuerConfig, KeySource};
use super::fetch::{FetchError, Fetcher, JwksSource, check_url};
use super::jwks::KeySet;
use super::key::Key;
use super::key_source::{IssuerKeys, RemoteKeys};
use super::trusted::TrustedIssuer;
use crate::network::Outbound;

/// A trusted issuer.
pub(super) struct Issuer {
    /// The `iss` of its tokens, as configured.
    pub(super) identifier: String,
    pub(super) audience: Vec<String>,
    pub(super) audience_claim: Option<String>,
    pub(super) required_claims: Map<String, Value>,
    pub(super) tenant: Option<String>,
    /// If empty, all asymmetric algorithms that the key's type allows.
    algorithms: Vec<Algorithm>,
    /// The configured source of its keys, and whether that may be at a private address.
    key_source: (KeySource, bool),
    pub(super) keys: IssuerKeys,
}

impl Issuer {
    /// Validates one issuer's configuration and reports every error.
    pub(super) fn new(
        trusted: &TrustedIssuer,
        outage: Duration,
        outbound: &Arc<Outbound>,
        clock: &Clock,
        errors: &mut Vec<GuardConfigError>,
    ) -> Option<Issuer> {
        let TrustedIssuer {
            prefix,
            config,
            tenant,
        } = trusted;
        let errors_before = errors.len();
        let mut report = |key: &str, message: &str| {
            errors.push(GuardConfigError::new(format!("{prefix}.{key}"), message))
        };
        if config.issuer.is_empty() {
            report("issuer", "is empty; give the `iss` of the tokens");
            return None;
        }
        if config.audience.is_empty() {
            report(
                "audience",
                "is missing; give the `aud` of the tokens, best the resource's URL",
            );
        }
        if config.audience.iter().any(|audience| audience.is_empty()) {
            report(
                "audience",
                "holds an empty text; give the `aud` of the tokens",
            );
        }
        check_claims(config, &mut report);
        check_algorithms(config, &mut report);
        let keys = issuer_keys(config, outage, outbound, clock, &mut report);
        if errors.len() > errors_before {
            return None;
        }
        Some(Issuer {
            identifier: config.issuer.clone(),
            audience: config.audience.clone(),
            audience_claim: config.audience_claim.clone().filter(|claim| claim != "aud"),
            required_claims: config.required_claims.clone(),
            tenant: tenant.clone(),
            algorithms: config.algorithms.clone(),
            key_source: (config.keys.clone(), config.private_network),
            keys: keys?,
        })
    }

    /// Takes over the keys that were fetched for the same issuer from the same source. They are needed while the source
    /// cannot be reached.
    pub(super) fn take_over_keys(&mut self, others: &[Issuer]) {
        let is_same = |other: &&Issuer| {
            other.identifier == self.identifier && other.key_source == self.key_source
        };
        if let Some(other) = others.iter().find(is_same)
            && let IssuerKeys::Remote(keys) = &other.keys
        {
            self.keys = IssuerKeys::Remote(Arc::clone(keys));
        }
    }

    /// Returns whether the issuer's tokens may use this algorithm.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        if self.algorithms.is_empty() {
            !algorithm.is_symmetric()
        } else {
            self.algorithms.contains(&algorithm)
        }
    }

    /// Returns whether this `aud` is one of the issuer's accepted audiences.
    pub(super) fn accepts_audience(&self, audience: &str) -> bool {
        self.audience
            .iter()
            .any(|accepted| is_same(accepted, audience))
    }
}

/// Rejects references to claims that name none, and an audience in another claim than `aud` without a mark of access
/// tokens: the ID tokens of the same client would pass too.
fn check_claims(config: &IssuerConfig, report: &mut impl FnMut(&str, &str)) {
    let named = [
        ("audience", config.audience_claim.iter().collect::<Vec<_>>()),
        ("require-claims", config.required_claims.keys().collect()),
    ];
    for (key, references) in named {
        for reference in references.iter().filter(|name| !is_claim_reference(name)) {
            report(
                key,
                &format!(
                    "names the claim {reference:?}; give a name or a JSON Pointer such as \"/a/b\""
                ),
            );
        }
    }
    let is_other_claim = config
        .audience_claim
        .as_ref()
        .is_some_and(|claim| claim != "aud");
    if is_other_claim && config.required_claims.is_empty() {
        report(
            "audience",
            "names another claim than `aud`; give `require-claims` beside it, such as { token_use = \"access\" }, so \
             that no ID token passes",
        );
    }
}

/// Rejects algorithms that do not match the kind of key, and secrets too short for their algorithms.
fn check_algorithms(config: &IssuerConfig, report: &mut impl FnMut(&str, &str)) {
    let symmetric = |algorithm: &&Algorithm| algorithm.is_symmetric();
    let KeySource::Secret(secret) = &config.keys else {
        if let Some(hmac) = config.algorithms.iter().find(symmetric) {
            report(
                "algorithms",
                &format!(
                    "names {hmac}, which needs a shared secret and never goes with a JWKS or a public key; remove it"
                ),
            );
        }
        return;
    };
    if config.algorithms.is_empty() {
        report(
            "algorithms",
            "is missing beside a secret; name the HMAC: HS256, HS384 or HS512",
        );
    }
    for algorithm in &config.algorithms {
        match algorithm.min_secret_bytes() {
            None => report(
                "algorithms",
                &format!(
                    "names {algorithm}, which does not go with a secret; name HS256, HS384 or HS512"
                ),
            ),
            Some(min_bytes) if secret.bytes().len() < min_bytes => report(
                "secret",
                &format!(
                    "has {} bytes; {algorithm} needs {min_bytes} or more (RFC 7518 §3.2)",
                    secret.bytes().len()
                ),
            ),
            Some(_) => {}
        }
    }
}

/// Builds the source of the keys, or returns `None` after reporting an error that prevents it.
fn issuer_keys(
    config: &IssuerConfig,
    outage: Duration,
    outbound: &Arc<Outbound>,
    clock: &Clock,
    report: &mut impl FnMut(&str, &str),
) -> Option<IssuerKeys> {
    let source = match &config.keys {
        KeySource::Secret(secret) => {
            let key = Key::from_secret(secret, &config.algorithms);
            let set = [Ok(key)].into_iter().collect();
            return Some(IssuerKeys::Static(Arc::new(set)));
        }
        KeySource::PublicKey(text) => {
            let set = KeySet::from_text(text)
                .map_err(|reason| report("public-key", &reason.to_string()))
                .ok()?;
            let has_accepted_algorithm = |key: &Key| {
                config.algorithms.is_empty()
                    || key
                        .algorithms
                        .iter()
                        .any(|algorithm| config.algorithms.contains(algorithm))
            };
            if !set.keys.iter().any(has_accepted_algorithm) {
                report(
                    "algorithms",
                    "names none that the public key can verify; name one of its type or leave it out",
                );
            }
            return Some(IssuerKeys::Static(Arc::new(set)));
        }
        KeySource::JwksUri(url) => {
            if let Err(error) = check_url(url, config.private_network) {
                report("jwks-uri", url_problem(&error));
            }
            JwksSource::Jwks(url.clone())
        }
        KeySource::Discover => {
            let Ok(url) = Url::parse(&config.issuer) else {
                report(
                    "issuer",
                    "is no URL, so that nothing names its keys; give `jwks-uri` or `public-key`",
                );
                return None;
            };
            if let Err(error) = check_url(&url, config.private_network) {
                report("issuer", url_problem(&error));
            }
            if url.query().is_some() || url.fragment().is_some() {
                report(
                    "issuer",
                    "has a query or a fragment, so that nothing names its keys; give `jwks-uri` or `public-key`",
                );
            }
            JwksSource::Discover {
                issuer: config.issuer.clone(),
                url,
            }
        }
    };
    let fetcher = Fetcher::new(source, config.private_network, Arc::clone(outbound));
    let remote = RemoteKeys::new(config.issuer.clone(), fetcher, outage, clock.clone());
    Some(IssuerKeys::Remote(Arc::new(remote)))
}

/// Returns the configuration error for a URL that must not be fetched.
fn url_problem(error: &FetchError) -> &'static str {
    match error {
        FetchError::Credentials => "has credentials in it; remove them",
        _ => {
            "is not https; use https, give `public-key`, or allow http to a private address with \
             `private-network = true`"
        }
    }
}
