//! The guard: judges the settings once, then each token.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::response::{IntoResponse, Response};

use super::check;
use super::clock::Clock;
use super::explain::{self, Finding};
use super::jwks::Unavailable;
use super::jwt::{self, Check, Expected, Jwt};
use super::key::KeyId;
use super::keyset::KeySet;
use super::layer::GuardLayer;
use super::memory::{Memory, Verified, token_hash};
use super::metadata::Metadata;
use super::principal::Principal;
use super::refusal::{Challenger, Reason, Refusal};
use super::scopes::Hierarchy;
use super::settings::{Fault, Settings, prefix};
use super::trust::Trust;

/// An OAuth 2.1 resource server's guard. Cheap to clone; clones share keys and memory.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) challenger: Challenger,
    pub(super) trusts: Vec<Trust>,
    pub(super) hierarchy: Hierarchy,
    pub(super) required_scopes: Vec<String>,
    pub(super) leeway_seconds: u64,
    pub(super) require_at_jwt: bool,
    pub(super) clock: Clock,
    pass_claims: Vec<String>,
    metadata: Metadata,
    memory: Memory,
    warnings: Vec<String>,
}

/// Why a token does not pass.
pub(super) enum Denied {
    Token(Reason),
    Keys(Unavailable),
}

impl Guard {
    /// Checks the settings and makes a guard of them. Nothing is fetched: keys are, when the first token comes.
    ///
    /// # Errors
    ///
    /// Every fault of the settings at once.
    pub fn build(settings: Settings) -> Result<Guard, Vec<Fault>> {
        Guard::build_with_clock(settings, Clock::default())
    }

    /// As [`Guard::build`], with a clock that a test can move.
    #[doc(hidden)]
    pub fn build_with_clock(settings: Settings, clock: Clock) -> Result<Guard, Vec<Fault>> {
        let mut faults = Vec::new();
        check::check(&settings, &mut faults);
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
        let warnings = check::warnings(&settings);
        Ok(Guard {
            inner: Arc::new(Inner {
                challenger: Challenger::new(metadata.url.clone(), &settings.required_scopes),
                trusts,
                hierarchy: Hierarchy::new(settings.scope_implies),
                required_scopes: settings.required_scopes,
                leeway_seconds: settings.leeway.as_secs(),
                require_at_jwt: settings.require_at_jwt,
                clock,
                pass_claims: settings.pass_claims,
                metadata,
                memory: Memory::default(),
                warnings,
            }),
        })
    }

    /// The tower layer that lets through only requests with a good token, for any axum router.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::new(self.clone())
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
    pub async fn verify(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        let principal = match self.inner.judge(token).await {
            Ok(principal) => principal,
            Err(Denied::Token(reason)) => {
                let detail = explain::detail(&self.inner, token, reason);
                let refusal = self.inner.challenger.invalid_token(reason);
                return Err(refusal.with_detail(detail));
            }
            Err(Denied::Keys(unavailable)) => {
                let seconds = unavailable.retry_after_seconds;
                let refusal = self.inner.challenger.keys_unavailable(seconds);
                return Err(refusal.with_detail(unavailable.why));
            }
        };
        if !principal.has_scopes(&self.inner.required_scopes) {
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
    pub fn refuse_scopes(&self, needed: &[String]) -> Refusal {
        self.inner.challenger.insufficient_scope(needed)
    }

    /// Says claim by claim why a token is accepted or refused. Fetches keys where that needs them. For the operator's eyes:
    /// claims are shown, the token is not.
    pub async fn explain(&self, token: &str) -> Vec<Finding> {
        explain::explain(&self.inner, token).await
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

impl Inner {
    async fn judge(&self, token: &str) -> Result<Arc<Principal>, Denied> {
        let hash = token_hash(token);
        if let Some(verified) = self.memory.recall(&hash, self.clock.monotonic())
            && self.trusts[verified.issuer].keys.still_has(&verified.key)
        {
            return Ok(verified.principal);
        }
        let jwt = Jwt::parse(token)?;
        let issuer = jwt.trusted_by(&self.trusts)?;
        let trust = &self.trusts[issuer];
        self.run(jwt::HEADER_CHECKS, &jwt, trust)?;
        let key = self.signing_key(&jwt, trust).await?;
        self.run(jwt::CLAIM_CHECKS, &jwt, trust)?;
        let principal = Arc::new(self.principal(&jwt, trust)?);
        let valid_for = jwt.expires()?.saturating_sub(self.clock.wall_seconds());
        let verified = Verified {
            principal: Arc::clone(&principal),
            issuer,
            key,
        };
        self.memory.remember(
            hash,
            verified,
            self.clock.monotonic(),
            Duration::from_secs(valid_for),
        );
        Ok(principal)
    }

    fn run(&self, checks: &[Check], jwt: &Jwt<'_>, trust: &Trust) -> Result<(), Reason> {
        let expected = self.expected(trust);
        checks
            .iter()
            .try_for_each(|(_, check)| check(jwt, &expected))
    }

    pub(super) fn expected<'a>(&self, trust: &'a Trust) -> Expected<'a> {
        Expected {
            trust,
            leeway_seconds: self.leeway_seconds,
            require_at_jwt: self.require_at_jwt,
            now_seconds: self.clock.wall_seconds(),
        }
    }

    /// The key that made the signature: one with the token's `kid`, or one without a `kid`. Where there is none, keys that
    /// the issuer has added since are looked at.
    pub(super) async fn signing_key(&self, jwt: &Jwt<'_>, trust: &Trust) -> Result<KeyId, Denied> {
        let algorithm = jwt.algorithm(trust)?;
        let asked_at = self.clock.monotonic();
        let known = trust
            .keys
            .current(&self.clock)
            .await
            .map_err(Denied::Keys)?;
        let kid = jwt.header.kid.as_deref();
        let search = |set: &KeySet| set.signer(kid, jwt.message, jwt.signature, algorithm);
        let found = match search(&known.set) {
            Err(no_signer) if no_signer.newer_keys_may_help => {
                search(&trust.keys.after_unknown(known, asked_at).await.set)
            }
            found => found,
        };
        found.map_err(|no_signer| Denied::Token(no_signer.reason))
    }

    fn principal(&self, jwt: &Jwt<'_>, trust: &Trust) -> Result<Principal, Reason> {
        Ok(Principal {
            issuer: trust.issuer.clone(),
            subject: jwt.subject()?,
            client_id: jwt.client_id()?.map(str::to_owned),
            scopes: self.hierarchy.expand(jwt.scopes()),
            claims: jwt.pick(&self.pass_claims),
            // Seconds up to the year 9999, which every clock of 64 bits holds.
            expires: UNIX_EPOCH + Duration::from_secs(jwt.expires()?),
        })
    }
}

impl From<Reason> for Denied {
    fn from(reason: Reason) -> Denied {
        Denied::Token(reason)
    }
}
