//! Judges tokens: by memory, or by header, key, signature and claims, in this order.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::caller::Caller;
use super::challenge::Reason;
use super::clock::Clock;
use super::issuer::Trust;
use super::jwks::KeySet;
use super::jwt::{self, Check, Expected, Jwt};
use super::key::KeyId;
use super::key_source::Unavailable;
use super::scopes::Hierarchy;
use super::settings::GuardConfig;
use super::token_cache::{Memory, Verified, token_hash};

pub(super) struct Verifier {
    pub(super) trusts: Vec<Trust>,
    pub(super) hierarchy: Hierarchy,
    pub(super) required_scopes: Vec<String>,
    pub(super) clock: Clock,
    leeway_seconds: u64,
    require_at_jwt: bool,
    pass_claims: Vec<String>,
    memory: Memory,
}

/// Why a token does not pass.
pub(super) enum Denied {
    Token(Reason),
    Keys(Unavailable),
}

impl Verifier {
    pub(super) fn new(settings: GuardConfig, trusts: Vec<Trust>, clock: Clock) -> Verifier {
        Verifier {
            trusts,
            hierarchy: Hierarchy::new(settings.scope_implies),
            required_scopes: settings.required_scopes,
            clock,
            leeway_seconds: settings.leeway.as_secs(),
            require_at_jwt: settings.require_at_jwt,
            pass_claims: settings.pass_claims,
            memory: Memory::default(),
        }
    }

    /// Everything but the scopes that every request needs.
    pub(super) async fn verify(&self, token: &str) -> Result<Arc<Caller>, Denied> {
        let hash = token_hash(token);
        if let Some(verified) = self.memory.recall(&hash, self.clock.monotonic())
            // Remembered by this judge, so that the index is one of its own.
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

    fn principal(&self, jwt: &Jwt<'_>, trust: &Trust) -> Result<Caller, Reason> {
        Ok(Caller {
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
