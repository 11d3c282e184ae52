//! The guard: a verifier of access tokens with the HTTP around it.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::caller::Caller;
use super::challenge::{AuthError, ChallengeBuilder};
use super::clock::Clock;
use super::config::{GuardConfig, GuardConfigError, KeySource};
use super::counts::GuardCounts;
use super::explain::{self, Finding};
use super::issuer::Issuer;
use super::metadata::ResourceMetadata;
use super::trusted::trusted_issuers;
use super::validate;
use super::verifier::{Verifier, VerifyError};
use crate::network::Outbound;

/// An OAuth 2.1 resource-server guard. Cheap to clone; clones share keys and caches.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    verifier: Verifier,
    challenge_builder: ChallengeBuilder,
    metadata: ResourceMetadata,
    warnings: Vec<String>,
    config: GuardConfig,
}

impl Guard {
    /// Validates the configuration and builds a guard. Keys are not fetched before the first token arrives.
    ///
    /// # Errors
    ///
    /// All errors of the configuration.
    pub fn build(config: GuardConfig) -> Result<Guard, Vec<GuardConfigError>> {
        Guard::build_with_clock(config, Clock::default())
    }

    /// Like [`Guard::build`], with a clock that tests can advance.
    #[doc(hidden)]
    pub fn build_with_clock(
        config: GuardConfig,
        clock: Clock,
    ) -> Result<Guard, Vec<GuardConfigError>> {
        Guard::build_after(config, clock, None)
    }

    /// Builds a guard to replace this one. It counts on, and has the keys that were fetched for issuers whose settings are
    /// the same. The tokens that this one remembers are verified again. With the same configuration it is this one.
    ///
    /// # Errors
    ///
    /// All errors of the configuration.
    pub fn rebuild(&self, config: GuardConfig) -> Result<Guard, Vec<GuardConfigError>> {
        if config == self.inner.config {
            return Ok(self.clone());
        }
        let clock = self.inner.verifier.clock.clone();
        Guard::build_after(config, clock, Some(&self.inner))
    }

    fn build_after(
        config: GuardConfig,
        clock: Clock,
        previous: Option<&Inner>,
    ) -> Result<Guard, Vec<GuardConfigError>> {
        let mut errors = Vec::new();
        validate::check(&config, &mut errors);
        let trusted = trusted_issuers(&config, &mut errors);
        let metadata = ResourceMetadata::new(&config, &trusted, &mut errors);
        let outbound = Arc::new(outbound(&config, &mut errors));
        let mut issuers: Vec<Issuer> = trusted
            .iter()
            .filter_map(|issuer| Issuer::new(issuer, config.outage, &outbound, &clock, &mut errors))
            .collect();
        // The tenants of an issuer share its errors.
        let mut seen = Vec::new();
        errors.retain(|error| {
            let is_new = !seen.contains(error);
            seen.push(error.clone());
            is_new
        });
        let metadata = match metadata {
            Some(metadata) if errors.is_empty() => metadata,
            _ => return Err(errors),
        };
        let fetches_alike = |previous: &&Inner| {
            let GuardConfig {
                outage, proxy, ca, ..
            } = &previous.config;
            (*outage, proxy, ca) == (config.outage, &config.proxy, &config.ca)
        };
        if let Some(previous) = previous.filter(fetches_alike) {
            let known = &previous.verifier.issuers;
            issuers.iter_mut().for_each(|i| i.take_over_keys(known));
        }
        let counts = previous.map(|previous| previous.verifier.counts.clone());
        let warnings = validate::warnings(&config);
        Ok(Guard {
            inner: Arc::new(Inner {
                challenge_builder: ChallengeBuilder::new(
                    metadata.url.clone(),
                    &config.required_scopes,
                ),
                verifier: Verifier::new(config.clone(), issuers, clock, counts.unwrap_or_default()),
                metadata,
                warnings,
                config,
            }),
        })
    }

    /// Returns the routes of the protected resource metadata (RFC 9728): at the root and at the resource's path, for
    /// GET, HEAD and OPTIONS, open to every origin. Merge them outside the layer and outside any check of `Host` or
    /// `Origin`.
    pub fn metadata_router(&self) -> Router {
        self.inner.metadata.router()
    }

    /// Returns a route that redirects `/.well-known/oauth-authorization-server` to the metadata of the first
    /// authorization server, for clients that look for it at the resource's own origin, as MCP 2025-03-26 has it.
    pub fn authorization_server_router(&self) -> Router {
        self.inner.metadata.authorization_server_router()
    }

    /// Returns the authorization servers that the metadata names.
    pub fn authorization_servers(&self) -> &[String] {
        &self.inner.metadata.authorization_servers
    }

    /// Returns the URL of the metadata that challenges name.
    pub fn metadata_url(&self) -> &str {
        &self.inner.metadata.url
    }

    /// Verifies a token: its signature, issuer, audience, times and kind, then the scopes that every request needs.
    ///
    /// # Errors
    ///
    /// The error response for the client.
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        let caller = match self.inner.verifier.verify(token).await {
            Ok(caller) => caller,
            Err(VerifyError::InvalidToken(reason)) => {
                let detail = explain::log_detail(&self.inner.verifier, token, reason);
                let error = self.inner.challenge_builder.invalid_token(reason);
                return Err(error.with_detail(detail));
            }
            Err(VerifyError::KeysUnavailable(unavailable)) => {
                let seconds = unavailable.retry_after_seconds;
                let error = self.inner.challenge_builder.keys_unavailable(seconds);
                return Err(error.with_detail(unavailable.reason));
            }
        };
        if !caller.has_scopes(&self.inner.verifier.required_scopes) {
            return Err(self.insufficient_scope_error(&[]));
        }
        Ok(caller)
    }

    /// Returns the counts of tokens and of fetches of keys since the guard was built.
    pub fn counts(&self) -> GuardCounts {
        let mut counts = self.inner.verifier.counts.get();
        for issuer in &self.inner.verifier.issuers {
            let (succeeded, failed) = issuer.keys.fetches();
            counts.key_fetches += succeeded;
            counts.failed_key_fetches += failed;
        }
        counts
    }

    /// Counts a refused request.
    pub(super) fn count_refusal(&self, error: &AuthError) {
        self.inner.verifier.counts.refuse(error.description());
    }

    /// Returns the 403 response for a caller that lacks a scope of an operation. Its challenge lists all scopes of the
    /// operation and those that every request needs. Send it before the operation has any effect.
    pub fn insufficient_scope(&self, needed: &[String]) -> Response {
        self.insufficient_scope_error(needed).into_response()
    }

    /// Like [`Guard::insufficient_scope`], for callers that set the response body themselves.
    pub fn insufficient_scope_error(&self, needed: &[String]) -> AuthError {
        self.inner.challenge_builder.insufficient_scope(needed)
    }

    /// Explains check by check why a token is accepted or rejected, and fetches keys if necessary. The findings are for
    /// the operator: they show claims, but not the token.
    pub async fn explain(&self, token: &str) -> Vec<Finding> {
        explain::explain(&self.inner.verifier, token).await
    }

    /// Returns one sentence for each setting that is allowed but may be unintended, for the log at start.
    pub fn warnings(&self) -> Vec<String> {
        self.inner.warnings.clone()
    }

    /// Returns one sentence for each issuer whose keys could not be fetched at the last attempt. If the keys of an issuer
    /// are not known, starts a fetch in the background, so that a later call reports its outcome.
    pub fn key_problems(&self) -> Vec<String> {
        let issuers = &self.inner.verifier.issuers;
        for issuer in issuers {
            issuer.keys.prepare();
        }
        issuers
            .iter()
            .filter_map(|issuer| issuer.keys.problem())
            .collect()
    }

    /// Returns the issuers whose keys are fetched, each with a future that fetches them and resolves to one sentence if
    /// there is a problem.
    pub fn key_fetches(&self) -> Vec<(String, BoxFuture<'static, Result<(), String>>)> {
        let issuers = self.inner.verifier.issuers.iter().enumerate();
        let fetched = issuers.filter(|(_, issuer)| issuer.keys.are_fetched());
        let fetches = fetched.map(|(index, issuer)| {
            let inner = Arc::clone(&self.inner);
            let fetch = async move {
                let Verifier { issuers, clock, .. } = &inner.verifier;
                let keys = &issuers[index].keys;
                keys.current(clock)
                    .await
                    .map_err(|unavailable| unavailable.reason)?;
                keys.problem().map_or(Ok(()), Err)
            };
            (issuer.identifier.clone(), fetch.boxed())
        });
        fetches.collect()
    }

    /// Fetches the keys of all issuers that have none yet, and returns one sentence for each that has a problem.
    pub async fn check_keys(&self) -> Vec<String> {
        let Verifier { issuers, clock, .. } = &self.inner.verifier;
        let fetches = issuers.iter().map(|issuer| issuer.keys.current(clock));
        // An error is part of the problems.
        futures::future::join_all(fetches).await;
        self.key_problems()
    }

    pub(super) fn challenge_builder(&self) -> &ChallengeBuilder {
        &self.inner.challenge_builder
    }
}

/// Validates the proxy and the certificates for the fetching of keys, and reports every error.
fn outbound(config: &GuardConfig, errors: &mut Vec<GuardConfigError>) -> Outbound {
    let is_fetched = |keys: &KeySource| matches!(keys, KeySource::Discover | KeySource::JwksUri(_));
    let fetches_keys = config.issuers.iter().any(|issuer| is_fetched(&issuer.keys));
    let (outbound, found) =
        Outbound::new(config.proxy.as_ref(), config.ca.as_deref(), fetches_keys);
    let found = found.into_iter();
    errors.extend(found.map(|error| GuardConfigError::new(error.key, error.message)));
    outbound
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("metadata_url", &self.inner.metadata.url)
            .finish_non_exhaustive()
    }
}
