//! Verifies tokens: from the cache, or by header, key, signature and claims, in this order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use super::caller::{Caller, Keys};
use super::challenge::TokenError;
use super::clock::Clock;
use super::config::GuardConfig;
use super::counts::Counts;
use super::issuer::Issuer;
use super::jwks::KeySet;
use super::jwt::{self, Check, Expected, Jwt};
use super::key::KeyId;
use super::key_source::KeysUnavailable;
use super::scopes::ScopeHierarchy;
use super::token_cache::{TokenCache, VerifiedToken, token_hash};

/// Verifies the tokens of all trusted issuers.
pub(super) struct Verifier {
    pub(super) issuers: Vec<Issuer>,
    scope_hierarchy: ScopeHierarchy,
    pub(super) required_scopes: Vec<String>,
    pub(super) clock: Clock,
    leeway_seconds: u64,
    require_at_jwt: bool,
    scope_claims: Vec<String>,
    pass_claims: Vec<String>,
    token_cache: TokenCache,
    pub(super) counts: Arc<Counts>,
}

/// The reason a token could not be verified.
pub(super) enum VerifyError {
    InvalidToken(TokenError),
    KeysUnavailable(KeysUnavailable),
}

impl Verifier {
    pub(super) fn new(
        config: GuardConfig,
        issuers: Vec<Issuer>,
        clock: Clock,
        counts: Arc<Counts>,
    ) -> Verifier {
        Verifier {
            issuers,
            scope_hierarchy: ScopeHierarchy::new(config.scope_implies),
            required_scopes: config.required_scopes,
            clock,
            leeway_seconds: config.leeway.as_secs(),
            require_at_jwt: config.require_at_jwt,
            scope_claims: config.scope_claims,
            pass_claims: config.pass_claims,
            token_cache: TokenCache::default(),
            counts,
        }
    }

    /// Verifies a token, except for the scopes that every request needs.
    pub(super) async fn verify(&self, token: &str) -> Result<Arc<Caller>, VerifyError> {
        let hash = token_hash(token);
        if let Some(verified) = self.token_cache.get(&hash, self.clock.monotonic())
            // This verifier cached the token, so the index is valid.
            && self.issuers[verified.issuer_index].keys.contains(&verified.key_id)
        {
            self.counts.remembered.fetch_add(1, Ordering::Relaxed);
            return Ok(verified.caller);
        }
        let jwt = Jwt::parse(token)?;
        let issuer_index = jwt.issuer_index(&self.issuers)?;
        let issuer = &self.issuers[issuer_index];
        self.check(jwt::HEADER_CHECKS, &jwt, issuer)?;
        let key_id = self.signing_key(&jwt, issuer).await?;
        self.check(jwt::CLAIM_CHECKS, &jwt, issuer)?;
        let caller = Arc::new(self.caller(&jwt, issuer)?);
        let valid_for = jwt
            .expires_at_seconds()?
            .saturating_sub(self.clock.wall_seconds());
        let verified = VerifiedToken {
            caller: Arc::clone(&caller),
            issuer_index,
            key_id,
        };
        self.token_cache.insert(
            hash,
            verified,
            self.clock.monotonic(),
            Duration::from_secs(valid_for),
        );
        self.counts.verified.fetch_add(1, Ordering::Relaxed);
        Ok(caller)
    }

    /// Runs checks until one fails.
    fn check(&self, checks: &[Check], jwt: &Jwt<'_>, issuer: &Issuer) -> Result<(), TokenError> {
        let expected = self.expected(issuer);
        checks
            .iter()
            .try_for_each(|(_, check)| check(jwt, &expected))
    }

    /// Returns the values that a token of this issuer is checked against now.
    pub(super) fn expected<'a>(&self, issuer: &'a Issuer) -> Expected<'a> {
        Expected {
            issuer,
            leeway_seconds: self.leeway_seconds,
            require_at_jwt: self.require_at_jwt,
            now_seconds: self.clock.wall_seconds(),
        }
    }

    /// Returns the key that verifies the token's signature. If no known key can be the token's, looks for keys that the
    /// issuer has added since the last fetch.
    pub(super) async fn signing_key(
        &self,
        jwt: &Jwt<'_>,
        issuer: &Issuer,
    ) -> Result<KeyId, VerifyError> {
        let algorithm = jwt.algorithm(issuer)?;
        let requested_at = self.clock.monotonic();
        let known = issuer
            .keys
            .current(&self.clock)
            .await
            .map_err(VerifyError::KeysUnavailable)?;
        let kid = jwt.header.kid.as_deref();
        let find_key =
            |set: &KeySet| set.find_signing_key(kid, jwt.message, jwt.signature, algorithm);
        let found = match find_key(&known.set) {
            Err(no_match) if no_match.newer_keys_may_match => find_key(
                &issuer
                    .keys
                    .refresh_for_unknown_kid(known, requested_at)
                    .await
                    .set,
            ),
            found => found,
        };
        found.map_err(|no_match| VerifyError::InvalidToken(no_match.reason))
    }

    /// Returns the scopes that a token grants, and those they imply.
    pub(super) fn granted_scopes(&self, jwt: &Jwt<'_>) -> Vec<String> {
        self.scope_hierarchy.expand(jwt.scopes(&self.scope_claims))
    }

    fn caller(&self, jwt: &Jwt<'_>, issuer: &Issuer) -> Result<Caller, TokenError> {
        // The year 9999 is representable by every 64-bit clock.
        let expires = UNIX_EPOCH + Duration::from_secs(jwt.expires_at_seconds()?);
        let (subject, client_id) = (jwt.subject()?, jwt.client_id()?);
        Ok(Caller {
            keys: Keys::new(&issuer.identifier, &subject, client_id),
            issuer: issuer.identifier.clone(),
            subject,
            client_id: client_id.map(str::to_owned),
            scopes: self.granted_scopes(jwt),
            claims: jwt.claims.named(&self.pass_claims),
            expires,
            accepted_until: expires + Duration::from_secs(self.leeway_seconds),
        })
    }
}

impl From<TokenError> for VerifyError {
    fn from(reason: TokenError) -> VerifyError {
        VerifyError::InvalidToken(reason)
    }
}
