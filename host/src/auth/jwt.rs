//! A token taken apart, and the checks of its header and claims (RFC 7515, RFC 7519, RFC 9068). Each check is a function
//! of its own, so that refusing a token and explaining one come from the same place. The signature is `key`'s.
//!
//! The claims are judged here rather than by the library's `Validation`: that one lets tokens pass that lack `aud` or `iss`,
//! takes a list for `iss`, knows no `iat`, and reads the clock itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::challenge::Reason;
use super::compare::is_same;
use super::issuer::Trust;
use super::scopes;

/// The last second of the year 9999. A later time is no time.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A token in its three parts. Nothing of it is verified.
pub(super) struct Jwt<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    payload: Vec<u8>,
}

/// The members of the header that matter. `jku`, `x5u`, `jwk` and `x5c` are not even read: a token names no key but by
/// its `kid`.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) crit: bool,
}

/// The claims that matter, of whatever JSON type. A claim that stands there twice makes the token malformed.
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

/// What the claims are held against.
pub(super) struct Expected<'a> {
    pub(super) trust: &'a Trust,
    pub(super) leeway_seconds: u64,
    pub(super) require_at_jwt: bool,
    pub(super) now_seconds: u64,
}

/// One check: what it looks at, and what it says.
pub(super) type Check = (&'static str, fn(&Jwt, &Expected) -> Result<(), Reason>);

/// What is judged before the key is looked for.
pub(super) const HEADER_CHECKS: &[Check] = &[("crit", critical), ("typ", media_type)];

/// What is judged once the signature is known to be good.
pub(super) const CLAIM_CHECKS: &[Check] = &[
    ("exp", expiry),
    ("nbf", not_before),
    ("iat", issued_at),
    ("aud", audience),
    ("kind", access_token),
    ("cnf", unbound),
    ("sub", subject_known),
];

impl<'a> Jwt<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Jwt<'a>, Reason> {
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::NotJwt)?;
        let (header, payload) = message.split_once('.').ok_or(Reason::NotJwt)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::NotJwt);
        let payload = decode(payload)?;
        Ok(Jwt {
            header: serde_json::from_slice(&decode(header)?).map_err(|_| Reason::NotJwt)?,
            claims: serde_json::from_slice(&payload).map_err(|_| Reason::NotJwt)?,
            message,
            signature,
            payload,
        })
    }

    /// The algorithm that the header names: looked up among the accepted ones, never obeyed.
    pub(super) fn algorithm(&self, trust: &Trust) -> Result<Algorithm, Reason> {
        self.header
            .alg
            .parse()
            .ok()
            .filter(|algorithm| trust.accepts(*algorithm))
            .ok_or(Reason::Algorithm)
    }

    /// The claim `iss` as text, by which the issuer is found. A list of issuers is none.
    pub(super) fn issuer(&self) -> Result<&str, Reason> {
        text("iss", self.claims.iss.as_ref())?.ok_or(Reason::Missing("iss"))
    }

    /// The index of the issuer whose token this claims to be.
    pub(super) fn trusted_by(&self, trusts: &[Trust]) -> Result<usize, Reason> {
        let issuer = self.issuer()?;
        trusts
            .iter()
            .position(|trust| is_same(&trust.issuer, issuer))
            .ok_or(Reason::UnknownIssuer)
    }

    /// The subject: `sub`, or the client where there is none.
    pub(super) fn subject(&self) -> Result<String, Reason> {
        match text("sub", self.claims.sub.as_ref())? {
            Some(subject) => Ok(subject.to_owned()),
            None => match self.client_id()? {
                Some(client) => Ok(format!("client:{client}")),
                None => Err(Reason::Missing("sub")),
            },
        }
    }

    pub(super) fn client_id(&self) -> Result<Option<&str>, Reason> {
        let claims = &self.claims;
        for (name, claim) in [("client_id", &claims.client_id), ("azp", &claims.azp)] {
            if let Some(client) = text(name, claim.as_ref())? {
                return Ok(Some(client));
            }
        }
        // These are some issuers' own names, which others may use for something else.
        let own = [&claims.cid, &claims.appid].into_iter().flatten();
        Ok(own
            .filter_map(Value::as_str)
            .find(|client| !client.is_empty()))
    }

    pub(super) fn expires(&self) -> Result<u64, Reason> {
        seconds("exp", self.claims.exp.as_ref())?.ok_or(Reason::Missing("exp"))
    }

    /// The granted scopes, as they stand there.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        [&self.claims.scope, &self.claims.scp]
            .into_iter()
            .flatten()
            .flat_map(scopes::granted)
    }

    /// The claims of these names.
    pub(super) fn pick(&self, names: &[String]) -> Map<String, Value> {
        if names.is_empty() {
            return Map::new();
        }
        let mut claims: Map<String, Value> =
            serde_json::from_slice(&self.payload).unwrap_or_default();
        claims.retain(|name, _| names.contains(name));
        claims
    }
}

/// No extension is understood, so any that is marked critical refuses the token (RFC 7515 §4.1.11).
fn critical(jwt: &Jwt, _: &Expected) -> Result<(), Reason> {
    if jwt.header.crit {
        return Err(Reason::Critical);
    }
    Ok(())
}

/// `typ` is a media type: upper and lower case are the same, and `application/` may be left out (RFC 7515 §4.1.9).
fn media_type(jwt: &Jwt, expected: &Expected) -> Result<(), Reason> {
    let typ = jwt.header.typ.as_deref().map(str::to_ascii_lowercase);
    match typ.as_deref() {
        Some("at+jwt" | "application/at+jwt") => Ok(()),
        None | Some("jwt") if !expected.require_at_jwt => Ok(()),
        _ => Err(Reason::Type),
    }
}

fn expiry(jwt: &Jwt, expected: &Expected) -> Result<(), Reason> {
    if jwt.expires()? + expected.leeway_seconds <= expected.now_seconds {
        return Err(Reason::Expired);
    }
    Ok(())
}

fn not_before(jwt: &Jwt, expected: &Expected) -> Result<(), Reason> {
    match seconds("nbf", jwt.claims.nbf.as_ref())? {
        Some(nbf) if nbf > expected.now_seconds + expected.leeway_seconds => {
            Err(Reason::NotYetValid)
        }
        _ => Ok(()),
    }
}

fn issued_at(jwt: &Jwt, expected: &Expected) -> Result<(), Reason> {
    match seconds("iat", jwt.claims.iat.as_ref())? {
        Some(iat) if iat > expected.now_seconds + expected.leeway_seconds => {
            Err(Reason::IssuedInFuture)
        }
        _ => Ok(()),
    }
}

/// One of the issuer's audiences stands in `aud`, a text or a list of texts.
fn audience(jwt: &Jwt, expected: &Expected) -> Result<(), Reason> {
    let is_ours = |audience: &str| expected.trust.accepts_audience(audience);
    match &jwt.claims.aud {
        None => Err(Reason::Missing("aud")),
        Some(Value::String(audience)) if is_ours(audience) => Ok(()),
        Some(Value::Array(list)) if !list.iter().all(Value::is_string) => {
            Err(Reason::Malformed("aud"))
        }
        Some(Value::Array(list)) if list.iter().filter_map(Value::as_str).any(is_ours) => Ok(()),
        Some(Value::String(_) | Value::Array(_)) => Err(Reason::Audience),
        Some(_) => Err(Reason::Malformed("aud")),
    }
}

/// Refuses what an issuer signs for other ends. An ID token is told by its hashes and its `nonce`, unless the token says
/// that it is an access token; the claims `typ` and `token_use` are how some issuers say so in the payload; `events` make a
/// security event token (RFC 8417), of which a logout token is one.
fn access_token(jwt: &Jwt, _: &Expected) -> Result<(), Reason> {
    let claims = &jwt.claims;
    let says = |kinds: &[&str]| {
        [&claims.typ, &claims.token_use]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|kind| kinds.contains(&kind))
    };
    if says(&["ID", "id"]) {
        return Err(Reason::IdToken);
    }
    if says(&["Refresh", "Offline", "Logout"]) {
        return Err(Reason::NotAccessToken);
    }
    if claims.events.is_some() {
        return Err(Reason::NotAccessToken);
    }
    let says_access = says(&["Bearer", "access"])
        || jwt
            .header
            .typ
            .as_ref()
            .is_some_and(|typ| typ.to_ascii_lowercase().ends_with("at+jwt"));
    let marks = [
        &claims.nonce,
        &claims.at_hash,
        &claims.c_hash,
        &claims.s_hash,
    ];
    if !says_access && marks.into_iter().any(Option::is_some) {
        return Err(Reason::IdToken);
    }
    Ok(())
}

/// A token that is bound to its client's key (RFC 7800, RFC 8705, RFC 9449) is good only with a proof, which is not checked
/// here. To take it without would undo what the issuer bound it for.
fn unbound(jwt: &Jwt, _: &Expected) -> Result<(), Reason> {
    if jwt.claims.cnf.is_some() {
        return Err(Reason::Bound);
    }
    Ok(())
}

fn subject_known(jwt: &Jwt, _: &Expected) -> Result<(), Reason> {
    jwt.subject()?;
    jwt.client_id().map(|_| ())
}

/// A claim that is a text which is not empty.
fn text<'a>(name: &'static str, claim: Option<&'a Value>) -> Result<Option<&'a str>, Reason> {
    match claim {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Reason::Malformed(name)),
    }
}

/// A NumericDate (RFC 7519 §2): seconds since the epoch, perhaps with a fraction, which is cut off.
pub(super) fn seconds(name: &'static str, claim: Option<&Value>) -> Result<Option<u64>, Reason> {
    let Some(claim) = claim else { return Ok(None) };
    let seconds = match (claim.as_u64(), claim.as_f64()) {
        (Some(seconds), _) => Some(seconds),
        // In range, so that the cast is exact but for the fraction.
        (None, Some(seconds)) if (0.0..=SECONDS_MAX as f64).contains(&seconds) => {
            Some(seconds as u64)
        }
        _ => None,
    };
    seconds
        .filter(|seconds| *seconds <= SECONDS_MAX)
        .map(Some)
        .ok_or(Reason::Malformed(name))
}

/// Whether a member stands there at all, be it `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}
