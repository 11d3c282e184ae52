//! Parsing of a JWT, and the checks of its header and claims (RFC 7515, RFC 7519, RFC 9068).
//!
//! Each check is a function of its own, so that the verifier and the explanation for operators share them. `key`
//! verifies the signature.
//!
//! The checks do not use `jsonwebtoken::Validation`, which accepts tokens without `aud` or `iss`, accepts a list as
//! `iss`, ignores `iat` and reads the clock itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::challenge::TokenError;
use super::claims::Claims;
use super::compare::is_same;
use super::issuer::Issuer;
use super::scopes;
use crate::json::{self, DuplicateKeys};

/// The last second of the year 9999. Later times are malformed.
const MAX_NUMERIC_DATE: u64 = 253_402_300_799;

/// The prefix of the subject of a token without `sub`, before its client identifier.
const CLIENT_PREFIX: &str = "client:";

/// The prefix of a `sub` that could be mistaken for the subject of a client.
const USER_PREFIX: &str = "user:";

/// A parsed token. Nothing in it is verified.
pub(super) struct Jwt<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// The signed part: header and payload as sent.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
}

/// The header members in use. `jku`, `x5u`, `jwk` and `x5c` are not parsed: `kid` is the only way a token can select a
/// key.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    #[serde(default, deserialize_with = "is_present")]
    pub(super) crit: bool,
}

/// The values that header and claims are checked against.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) leeway_seconds: u64,
    pub(super) require_at_jwt: bool,
    pub(super) now_seconds: u64,
}

/// A check: the name of the checked claim or header member, and the function.
pub(super) type Check = (&'static str, fn(&Jwt, &Expected) -> Result<(), TokenError>);

/// The checks before the search for the key.
pub(super) const HEADER_CHECKS: &[Check] = &[("crit", check_crit), ("typ", check_typ)];

/// The checks after the signature has been verified.
pub(super) const CLAIM_CHECKS: &[Check] = &[
    ("exp", check_exp),
    ("nbf", check_nbf),
    ("iat", check_iat),
    ("aud", check_aud),
    ("tid", check_tid),
    ("require-claims", check_required_claims),
    ("kind", check_kind),
    ("cnf", check_cnf),
    ("sub", check_sub),
];

impl Header {
    /// Parses the header, or returns `None` if it is not an object with `alg`, has a duplicate member or is too deep.
    fn parse(json: &[u8]) -> Option<Header> {
        let header = json::parse(json, DuplicateKeys::Reject).ok()?;
        if !header.is_object() {
            return None;
        }
        serde_json::from_value(header).ok()
    }
}

impl<'a> Jwt<'a> {
    /// Parses the compact serialization and decodes its parts.
    pub(super) fn parse(token: &'a str) -> Result<Jwt<'a>, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NotJwt)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::NotJwt)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::NotJwt);
        Ok(Jwt {
            header: Header::parse(&decode(header)?).ok_or(TokenError::NotJwt)?,
            claims: Claims::parse(&decode(payload)?).ok_or(TokenError::NotJwt)?,
            message,
            signature,
        })
    }

    /// Returns the algorithm named by the header, if the issuer's tokens may use it.
    pub(super) fn algorithm(&self, issuer: &Issuer) -> Result<Algorithm, TokenError> {
        self.header
            .alg
            .parse()
            .ok()
            .filter(|algorithm| issuer.accepts(*algorithm))
            .ok_or(TokenError::Algorithm)
    }

    /// Returns the claim `iss`. A list is malformed.
    pub(super) fn issuer(&self) -> Result<&str, TokenError> {
        string_claim("iss", self.claims.get("iss"))?.ok_or(TokenError::Missing("iss"))
    }

    /// Finds the configured issuer that the token names. The signature must still be verified with that issuer's keys.
    pub(super) fn issuer_index(&self, issuers: &[Issuer]) -> Result<usize, TokenError> {
        let iss = self.issuer()?;
        issuers
            .iter()
            .position(|issuer| is_same(&issuer.identifier, iss))
            .ok_or(TokenError::UnknownIssuer)
    }

    /// Returns the subject: `sub`, or `client:` and the client identifier if the token has no `sub`.
    pub(super) fn subject(&self) -> Result<String, TokenError> {
        match string_claim("sub", self.claims.get("sub"))? {
            Some(subject) => Ok(user_subject(subject)),
            None => match self.client_id()? {
                Some(client) => Ok(format!("{CLIENT_PREFIX}{client}")),
                None => Err(TokenError::Missing("sub")),
            },
        }
    }

    /// Returns the client identifier: the first of `client_id`, `azp`, `cid` and `appid`.
    pub(super) fn client_id(&self) -> Result<Option<&str>, TokenError> {
        for name in ["client_id", "azp"] {
            if let Some(client) = string_claim(name, self.claims.get(name))? {
                return Ok(Some(client));
            }
        }
        // Names of single issuers, which other issuers may use for other purposes, so values of other types are
        // ignored.
        Ok(["cid", "appid"]
            .into_iter()
            .filter_map(|name| self.claims.get(name)?.as_str())
            .find(|client| !client.is_empty()))
    }

    /// Returns the claim `exp`, which is required.
    pub(super) fn expires_at_seconds(&self) -> Result<u64, TokenError> {
        numeric_date("exp", self.claims.get("exp"))?.ok_or(TokenError::Missing("exp"))
    }

    /// Returns the granted scopes of these claims without the scopes they imply.
    pub(super) fn scopes(&self, scope_claims: &[String]) -> impl Iterator<Item = &str> {
        scope_claims
            .iter()
            .filter_map(|reference| self.claims.find(reference))
            .flat_map(scopes::from_claim)
    }
}

/// Rejects tokens with a critical header extension, because none is supported (RFC 7515 §4.1.11).
fn check_crit(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    if jwt.header.crit {
        return Err(TokenError::Critical);
    }
    Ok(())
}

/// Checks `typ`, a case-insensitive media type whose `application/` may be omitted (RFC 7515 §4.1.9).
fn check_typ(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    let typ = jwt.header.typ.as_deref().map(str::to_ascii_lowercase);
    match typ.as_deref() {
        Some("at+jwt" | "application/at+jwt") => Ok(()),
        None | Some("jwt" | "application/jwt") if !expected.require_at_jwt => Ok(()),
        _ => Err(TokenError::Type),
    }
}

/// Rejects tokens that have expired, allowing for the leeway.
fn check_exp(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    if jwt.expires_at_seconds()? + expected.leeway_seconds <= expected.now_seconds {
        return Err(TokenError::Expired);
    }
    Ok(())
}

/// Rejects tokens that are not yet valid, allowing for the leeway.
fn check_nbf(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    match numeric_date("nbf", jwt.claims.get("nbf"))? {
        Some(nbf) if nbf > expected.now_seconds + expected.leeway_seconds => {
            Err(TokenError::NotYetValid)
        }
        _ => Ok(()),
    }
}

/// Rejects tokens that were issued in the future, allowing for the leeway.
fn check_iat(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    match numeric_date("iat", jwt.claims.get("iat"))? {
        Some(iat) if iat > expected.now_seconds + expected.leeway_seconds => {
            Err(TokenError::IssuedInFuture)
        }
        _ => Ok(()),
    }
}

/// Checks that `aud`, a string or a list of strings, contains one of the issuer's audiences.
///
/// If the configuration names another claim, it is checked instead, and a token with `aud` is rejected: it is meant for
/// the resource that its `aud` names.
fn check_aud(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    let is_accepted = |audience: &str| expected.issuer.accepts_audience(audience);
    let aud = jwt.claims.get("aud");
    let claim = match &expected.issuer.audience_claim {
        None => aud.ok_or(TokenError::Missing("aud"))?,
        Some(_) if aud.is_some() => return Err(TokenError::Audience),
        Some(reference) => jwt.claims.find(reference).ok_or(TokenError::Audience)?,
    };
    match claim {
        Value::String(audience) if is_accepted(audience) => Ok(()),
        Value::Array(list) if !list.iter().all(Value::is_string) => {
            Err(TokenError::Malformed("aud"))
        }
        Value::Array(list) if list.iter().filter_map(Value::as_str).any(is_accepted) => Ok(()),
        Value::String(_) | Value::Array(_) => Err(TokenError::Audience),
        _ => Err(TokenError::Malformed("aud")),
    }
}

/// Checks that a token of a tenant's issuer, if it names a tenant in `tid`, names that tenant.
fn check_tid(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    match (&expected.issuer.tenant, jwt.claims.get("tid")) {
        (Some(tenant), Some(tid)) if tid.as_str() != Some(tenant) => Err(TokenError::Tenant),
        _ => Ok(()),
    }
}

/// Checks that each claim of `require-claims` has its value.
fn check_required_claims(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    let has_value =
        |(reference, value): (&String, &Value)| jwt.claims.find(reference) == Some(value);
    if expected.issuer.required_claims.iter().all(has_value) {
        Ok(())
    } else {
        Err(TokenError::RequiredClaim)
    }
}

/// Rejects tokens that an issuer signs for other purposes.
///
/// - Some issuers name the kind in the claims `typ` or `token_use`.
/// - Security event tokens (RFC 8417), including logout tokens, have `events`.
/// - ID tokens have a hash claim or `nonce` and are not marked as access tokens.
fn check_kind(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    let claims = &jwt.claims;
    let has_kind = |kinds: &[&str]| {
        ["typ", "token_use"]
            .into_iter()
            .filter_map(|name| claims.get(name)?.as_str())
            .any(|kind| kinds.contains(&kind))
    };
    if has_kind(&["ID", "id"]) {
        return Err(TokenError::IdToken);
    }
    if has_kind(&["Refresh", "Offline", "Logout"]) {
        return Err(TokenError::NotAccessToken);
    }
    if claims.get("events").is_some() {
        return Err(TokenError::NotAccessToken);
    }
    let is_marked_access_token = has_kind(&["Bearer", "access"])
        || jwt
            .header
            .typ
            .as_ref()
            .is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    let has_id_token_claim = ["nonce", "at_hash", "c_hash", "s_hash"]
        .into_iter()
        .any(|name| claims.get(name).is_some());
    if !is_marked_access_token && has_id_token_claim {
        return Err(TokenError::IdToken);
    }
    Ok(())
}

/// Rejects tokens bound to a key of their client (RFC 7800, RFC 8705, RFC 9449). They are valid only with a proof of
/// possession, which the guard does not verify; accepting them without would defeat the binding.
fn check_cnf(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    if jwt.claims.get("cnf").is_some() {
        return Err(TokenError::Bound);
    }
    Ok(())
}

/// Rejects tokens without a subject or with a malformed client identifier.
fn check_sub(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    jwt.subject()?;
    jwt.client_id().map(|_| ())
}

/// Returns the subject of a user. A `sub` that reads like the subject of a client, `client:x`, is prefixed with `user:`,
/// and so is one that already has such prefixes before `client:`, so that no two subjects become the same.
fn user_subject(sub: &str) -> String {
    if sub
        .trim_start_matches(USER_PREFIX)
        .starts_with(CLIENT_PREFIX)
    {
        format!("{USER_PREFIX}{sub}")
    } else {
        sub.to_owned()
    }
}

/// Returns a claim that must be a non-empty string.
fn string_claim<'a>(
    name: &'static str,
    claim: Option<&'a Value>,
) -> Result<Option<&'a str>, TokenError> {
    match claim {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(TokenError::Malformed(name)),
    }
}

/// Parses a NumericDate (RFC 7519 §2): seconds since the epoch, whose fraction is truncated.
pub(super) fn numeric_date(
    name: &'static str,
    claim: Option<&Value>,
) -> Result<Option<u64>, TokenError> {
    let Some(claim) = claim else { return Ok(None) };
    let seconds = match (claim.as_u64(), claim.as_f64()) {
        (Some(seconds), _) => Some(seconds),
        // The value is in range, so the cast loses only the fraction.
        (None, Some(seconds)) if (0.0..=MAX_NUMERIC_DATE as f64).contains(&seconds) => {
            Some(seconds as u64)
        }
        _ => None,
    };
    seconds
        .filter(|seconds| *seconds <= MAX_NUMERIC_DATE)
        .map(Some)
        .ok_or(TokenError::Malformed(name))
}

/// Deserializes any value, including `null`, to `true`.
fn is_present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}
