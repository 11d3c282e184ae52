//! The guard: the settings made into a judge of tokens, with the HTTP around it.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use super::challenge::{AuthError, Challenger};
use super::clock::Clock;
use super::explain::{self, Finding};
use super::issuer::Trust;
use super::metadata::Metadata;
use super::settings::{GuardConfig, GuardConfigError, prefix};
use super::validate;
use super::verifier::{Denied, Verifier};

/// An OAuth 2.1 resource server's guard. Cheap to clone; clones share keys and memory.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    judge: Verifier,
    challenger: Challenger,
    metadata: Metadata,
    warnings: Vec<String>,
}

impl Guard {
    /// Checks the settings and makes a guard of them. Nothing is fetched: keys are, when the first token comes.
    ///
    /// # Errors
    ///
    /// Every fault of the settings at once.
    pub fn build(settings: GuardConfig) -> Result<Guard, Vec<GuardConfigError>> {
        Guard::build_with_clock(settings, Clock::default())
    }

    /// As [`Guard::build`], with a clock that a test can move.
    #[doc(hidden)]
    pub fn build_with_clock(
        settings: GuardConfig,
        clock: Clock,
    ) -> Result<Guard, Vec<GuardConfigError>> {
        let mut faults = Vec::new();
        validate::check(&settings, &mut faults);
        let metadata = Metadata::new(&settings, &mut faults);
        let trusts: Vec<Trust> = settings
            .issuers
            .iter()
            .enumerate()
            .filter_map(|(index, issuer)| {
                let prefix = prefix(index);
                Trust::new(issuer, &prefix, settings.outage, &clock, &mut faults)
            })
            .collect();
        let metadata = match metadata {
            Some(metadata) if faults.is_empty() => metadata,
            _ => return Err(faults),
        };
        let warnings = validate::warnings(&settings);
        Ok(Guard {
            inner: Arc::new(Inner {
                challenger: Challenger::new(metadata.url.clone(), &settings.required_scopes),
                judge: Verifier::new(settings, trusts, clock),
                metadata,
                warnings,
            }),
        })
    }

    /// The metadata's routes (RFC 9728): at the root and at the resource's path, for GET, HEAD and OPTIONS, open to every
    /// origin. They belong outside the layer, and outside any check of `Host` or `Origin`.
    pub fn metadata_router(&self) -> Router {
        self.inner.metadata.router()
    }

    /// The URL of the metadata that challenges name.
    pub fn metadata_url(&self) -> &str {
        &self.inner.metadata.url
    }

    /// Judges a token: its signature, issuer, audience, times and kind, and then the scopes that every request needs.
    ///
    /// # Errors
    ///
    /// The refusal that goes to the client.
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        let principal = match self.inner.judge.verify(token).await {
            Ok(principal) => principal,
            Err(Denied::Token(reason)) => {
                let detail = explain::detail(&self.inner.judge, token, reason);
                let refusal = self.inner.challenger.invalid_token(reason);
                return Err(refusal.with_detail(detail));
            }
            Err(Denied::Keys(unavailable)) => {
                let seconds = unavailable.retry_after_seconds;
                let refusal = self.inner.challenger.keys_unavailable(seconds);
                return Err(refusal.with_detail(unavailable.why));
            }
        };
        if !principal.has_scopes(&self.inner.judge.required_scopes) {
            return Err(self.refuse_scopes(&[]));
        }
        Ok(principal)
    }

    /// The 403 for a caller who lacks some of the scopes that an operation needs: one challenge that lists them all, with
    /// those that every request needs. To be sent before anything of the operation happens.
    pub fn insufficient_scope(&self, needed: &[String]) -> Response {
        self.refuse_scopes(needed).into_response()
    }

    /// As [`Guard::insufficient_scope`], for a caller that gives the response a body of its own.
    pub fn refuse_scopes(&self, needed: &[String]) -> AuthError {
        self.inner.challenger.insufficient_scope(needed)
    }

    /// Says claim by claim why a token is accepted or refused. Fetches keys where that needs them. For the operator's eyes:
    /// claims are shown, the token is not.
    pub async fn explain(&self, token: &str) -> Vec<Finding> {
        explain::explain(&self.inner.judge, token).await
    }

    /// What the settings allow though it may not be meant: one sentence each, for the log at start.
    pub fn warnings(&self) -> Vec<String> {
        self.inner.warnings.clone()
    }

    pub(super) fn challenger(&self) -> &Challenger {
        &self.inner.challenger
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("metadata_url", &self.inner.metadata.url)
            .finish_non_exhaustive()
    }
}
