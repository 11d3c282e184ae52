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
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::challenge::TokenError;
use super::compare::is_same;
use super::issuer::Issuer;
use super::scopes;

/// The last second of the year 9999. Later times are malformed.
const MAX_NUMERIC_DATE: u64 = 253_402_300_799;

/// A parsed token. Nothing in it is verified.
pub(super) struct Jwt<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// The signed part: header and payload as sent.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    /// The decoded payload.
    payload: Vec<u8>,
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

/// The claims in use, of any JSON type. A token with a duplicate claim is malformed.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<Value>,
    pub(super) sub: Option<Value>,
    pub(super) aud: Option<Value>,
    pub(super) exp: Option<Value>,
    pub(super) nbf: Option<Value>,
    pub(super) iat: Option<Value>,
    pub(super) scope: Option<Value>,
    pub(super) scp: Option<Value>,
    client_id: Option<Value>,
    azp: Option<Value>,
    cid: Option<Value>,
    appid: Option<Value>,
    nonce: Option<Value>,
    at_hash: Option<Value>,
    c_hash: Option<Value>,
    s_hash: Option<Value>,
    events: Option<Value>,
    cnf: Option<Value>,
    typ: Option<Value>,
    token_use: Option<Value>,
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
    ("kind", check_kind),
    ("cnf", check_cnf),
    ("sub", check_sub),
];

impl<'a> Jwt<'a> {
    /// Parses the compact serialization and decodes its parts.
    pub(super) fn parse(token: &'a str) -> Result<Jwt<'a>, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NotJwt)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::NotJwt)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::NotJwt);
        let payload = decode(payload)?;
        Ok(Jwt {
            header: serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::NotJwt)?,
            claims: serde_json::from_slice(&payload).map_err(|_| TokenError::NotJwt)?,
            message,
            signature,
            payload,
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
        string_claim("iss", self.claims.iss.as_ref())?.ok_or(TokenError::Missing("iss"))
    }

    /// Finds the configured issuer that the token names. The signature must still be verified with that issuer's keys.
    pub(super) fn issuer_index(&self, issuers: &[Issuer]) -> Result<usize, TokenError> {
        let iss = self.issuer()?;
        issuers
            .iter()
            .position(|issuer| is_same(&issuer.identifier, iss))
            .ok_or(TokenError::UnknownIssuer)
    }

    /// Returns the subject: `sub`, or the client identifier if the token has no `sub`.
    pub(super) fn subject(&self) -> Result<String, TokenError> {
        match string_claim("sub", self.claims.sub.as_ref())? {
            Some(subject) => Ok(subject.to_owned()),
            None => match self.client_id()? {
                Some(client) => Ok(format!("client:{client}")),
                None => Err(TokenError::Missing("sub")),
            },
        }
    }

    /// Returns the client identifier: the first of `client_id`, `azp`, `cid` and `appid`.
    pub(super) fn client_id(&self) -> Result<Option<&str>, TokenError> {
        let claims = &self.claims;
        for (name, claim) in [("client_id", &claims.client_id), ("azp", &claims.azp)] {
            if let Some(client) = string_claim(name, claim.as_ref())? {
                return Ok(Some(client));
            }
        }
        // Names of single issuers, which other issuers may use for other purposes, so values of other types are
        // ignored.
        let issuer_specific = [&claims.cid, &claims.appid].into_iter().flatten();
        Ok(issuer_specific
            .filter_map(Value::as_str)
            .find(|client| !client.is_empty()))
    }

    /// Returns the claim `exp`, which is required.
    pub(super) fn expires_at_seconds(&self) -> Result<u64, TokenError> {
        numeric_date("exp", self.claims.exp.as_ref())?.ok_or(TokenError::Missing("exp"))
    }

    /// Returns the granted scopes without the scopes they imply.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        [&self.claims.scope, &self.claims.scp]
            .into_iter()
            .flatten()
            .flat_map(scopes::from_claim)
    }

    /// Returns the claims with these names.
    pub(super) fn claims_named(&self, names: &[String]) -> Map<String, Value> {
        if names.is_empty() {
            return Map::new();
        }
        let mut claims: Map<String, Value> =
            serde_json::from_slice(&self.payload).unwrap_or_default();
        claims.retain(|name, _| names.contains(name));
        claims
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
        None | Some("jwt") if !expected.require_at_jwt => Ok(()),
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
    match numeric_date("nbf", jwt.claims.nbf.as_ref())? {
        Some(nbf) if nbf > expected.now_seconds + expected.leeway_seconds => {
            Err(TokenError::NotYetValid)
        }
        _ => Ok(()),
    }
}

/// Rejects tokens that were issued in the future, allowing for the leeway.
fn check_iat(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    match numeric_date("iat", jwt.claims.iat.as_ref())? {
        Some(iat) if iat > expected.now_seconds + expected.leeway_seconds => {
            Err(TokenError::IssuedInFuture)
        }
        _ => Ok(()),
    }
}

/// Checks that `aud`, a string or a list of strings, contains one of the issuer's audiences.
fn check_aud(jwt: &Jwt, expected: &Expected) -> Result<(), TokenError> {
    let is_accepted = |audience: &str| expected.issuer.accepts_audience(audience);
    match &jwt.claims.aud {
        None => Err(TokenError::Missing("aud")),
        Some(Value::String(audience)) if is_accepted(audience) => Ok(()),
        Some(Value::Array(list)) if !list.iter().all(Value::is_string) => {
            Err(TokenError::Malformed("aud"))
        }
        Some(Value::Array(list)) if list.iter().filter_map(Value::as_str).any(is_accepted) => {
            Ok(())
        }
        Some(Value::String(_) | Value::Array(_)) => Err(TokenError::Audience),
        Some(_) => Err(TokenError::Malformed("aud")),
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
        [&claims.typ, &claims.token_use]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|kind| kinds.contains(&kind))
    };
    if has_kind(&["ID", "id"]) {
        return Err(TokenError::IdToken);
    }
    if has_kind(&["Refresh", "Offline", "Logout"]) {
        return Err(TokenError::NotAccessToken);
    }
    if claims.events.is_some() {
        return Err(TokenError::NotAccessToken);
    }
    let is_marked_access_token = has_kind(&["Bearer", "access"])
        || jwt
            .header
            .typ
            .as_ref()
            .is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    let id_token_claims = [
        &claims.nonce,
        &claims.at_hash,
        &claims.c_hash,
        &claims.s_hash,
    ];
    if !is_marked_access_token && id_token_claims.into_iter().any(Option::is_some) {
        return Err(TokenError::IdToken);
    }
    Ok(())
}

/// Rejects tokens bound to a key of their client (RFC 7800, RFC 8705, RFC 9449). They are valid only with a proof of
/// possession, which the guard does not verify; accepting them without would defeat the binding.
fn check_cnf(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    if jwt.claims.cnf.is_some() {
        return Err(TokenError::Bound);
    }
    Ok(())
}

/// Rejects tokens without a subject or with a malformed client identifier.
fn check_sub(jwt: &Jwt, _: &Expected) -> Result<(), TokenError> {
    jwt.subject()?;
    jwt.client_id().map(|_| ())
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
