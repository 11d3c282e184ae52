//! One issuer that is trusted: its name, audience, algorithms and keys, checked and ready.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::algorithm::Algorithm;
use super::clock::Clock;
use super::compare::is_same;
use super::fetch::{FetchError, Fetcher, Source, check_url};
use super::jwks::KeySet;
use super::key::Key;
use super::key_source::{Keys, Remote};
use super::settings::{GuardConfigError, IssuerConfig, KeySource};

pub(super) struct Trust {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    /// Empty: what the key's type allows.
    algorithms: Vec<Algorithm>,
    pub(super) keys: Keys,
}

impl Trust {
    /// Checks one issuer's settings. Every fault is noted; `prefix` is where they stand in the configuration.
    pub(super) fn new(
        settings: &IssuerConfig,
        prefix: &str,
        outage: Duration,
        clock: &Clock,
        faults: &mut Vec<GuardConfigError>,
    ) -> Option<Trust> {
        let known_faults = faults.len();
        let mut fault = |key: &str, says: &str| {
            faults.push(GuardConfigError::new(format!("{prefix}.{key}"), says))
        };
        if settings.issuer.is_empty() {
            fault("issuer", "is empty; give the `iss` of the tokens");
            return None;
        }
        if settings.audience.is_empty() {
            fault(
                "audience",
                "is missing; give the `aud` of the tokens, best the resource's URL",
            );
        }
        if settings.audience.iter().any(|audience| audience.is_empty()) {
            fault(
                "audience",
                "holds an empty text; give the `aud` of the tokens",
            );
        }
        check_algorithms(settings, &mut fault);
        let keys = keys(settings, outage, clock, &mut fault);
        if faults.len() > known_faults {
            return None;
        }
        Some(Trust {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            algorithms: settings.algorithms.clone(),
            keys: keys?,
        })
    }

    /// Whether the issuer's tokens may use this algorithm at all.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        if self.algorithms.is_empty() {
            !algorithm.is_symmetric()
        } else {
            self.algorithms.contains(&algorithm)
        }
    }

    pub(super) fn accepts_audience(&self, audience: &str) -> bool {
        self.audience.iter().any(|own| is_same(own, audience))
    }
}

fn check_algorithms(settings: &IssuerConfig, fault: &mut impl FnMut(&str, &str)) {
    let symmetric = |algorithm: &&Algorithm| algorithm.is_symmetric();
    let KeySource::Secret(secret) = &settings.keys else {
        if let Some(hmac) = settings.algorithms.iter().find(symmetric) {
            fault(
                "algorithms",
                &format!(
                    "names {hmac}, which needs a shared secret and never goes with a JWKS or a public key; remove it"
                ),
            );
        }
        return;
    };
    if settings.algorithms.is_empty() {
        fault(
            "algorithms",
            "is missing beside a secret; name the HMAC: HS256, HS384 or HS512",
        );
    }
    for algorithm in &settings.algorithms {
        match algorithm.secret_bytes_min() {
            None => fault(
                "algorithms",
                &format!(
                    "names {algorithm}, which does not go with a secret; name HS256, HS384 or HS512"
                ),
            ),
            Some(bytes_min) if secret.bytes().len() < bytes_min => fault(
                "secret",
                &format!(
                    "has {} bytes; {algorithm} needs {bytes_min} or more (RFC 7518 §3.2)",
                    secret.bytes().len()
                ),
            ),
            Some(_) => {}
        }
    }
}

fn keys(
    settings: &IssuerConfig,
    outage: Duration,
    clock: &Clock,
    fault: &mut impl FnMut(&str, &str),
) -> Option<Keys> {
    let source = match &settings.keys {
        KeySource::Secret(secret) => {
            let key = Key::from_secret(secret, &settings.algorithms);
            let set = [Ok(key)].into_iter().collect();
            return Some(Keys::Fixed(Arc::new(set)));
        }
        KeySource::PublicKey(text) => {
            let set = KeySet::from_text(text)
                .map_err(|why| fault("public-key", &why.to_string()))
                .ok()?;
            let fits = |key: &Key| {
                settings.algorithms.is_empty()
                    || key
                        .algorithms
                        .iter()
                        .any(|own| settings.algorithms.contains(own))
            };
            if !set.keys.iter().any(fits) {
                fault(
                    "algorithms",
                    "names none that the public key can verify; name one of its type or leave it out",
                );
            }
            return Some(Keys::Fixed(Arc::new(set)));
        }
        KeySource::JwksUri(url) => {
            if let Err(error) = check_url(url) {
                fault("jwks-uri", way_out(&error));
            }
            Source::Jwks(url.clone())
        }
        KeySource::Discover => {
            let Ok(url) = Url::parse(&settings.issuer) else {
                fault(
                    "issuer",
                    "is no URL, so that nothing names its keys; give `jwks-uri` or `public-key`",
                );
                return None;
            };
            if let Err(error) = check_url(&url) {
                fault("issuer", way_out(&error));
            }
            if url.query().is_some() || url.fragment().is_some() {
                fault(
                    "issuer",
                    "has a query or a fragment, so that nothing names its keys; give `jwks-uri` or `public-key`",
                );
            }
            Source::Discover {
                issuer: settings.issuer.clone(),
                url,
            }
        }
    };
    let fetcher = Fetcher::new(source, settings.private_network);
    let remote = Remote::new(settings.issuer.clone(), fetcher, outage, clock.clone());
    Some(Keys::Remote(Arc::new(remote)))
}

fn way_out(error: &FetchError) -> &'static str {
    match error {
        FetchError::Credentials => "has credentials in it; remove them",
        _ => "is not https (http is for loopback); use https, or give `public-key`",
    }
}
