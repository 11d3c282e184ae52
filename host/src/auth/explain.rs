//! Explains to an operator why a token is accepted or rejected, by running all checks of the verifier.

use serde_json::Value;

use super::challenge::TokenError;
use super::issuer::Issuer;
use super::jwt::{self, Check, Expected, Jwt};
use super::verifier::{Verifier, VerifyError};
use crate::text::ellipsize;

/// The length at which the text of a claim is truncated.
const MAX_CLAIM_BYTES: usize = 200;

/// The result of one check of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The checked claim or header member, `signature` or `scope`.
    pub name: &'static str,
    /// Whether the check passed. A token is accepted if all checks pass.
    pub accepted: bool,
    /// The value found and, if the check failed, the expected value.
    pub message: String,
}

/// Runs all checks. Stops early only if the token cannot be parsed or its issuer is unknown.
pub(super) async fn explain(verifier: &Verifier, token: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let jwt = match Jwt::parse(token.trim()) {
        Ok(jwt) => jwt,
        Err(reason) => {
            return vec![rejected(
                "format",
                reason,
                "three parts of base64url with JSON in them",
            )];
        }
    };
    findings.push(accepted("format", "a signed JWT".to_owned()));

    let iss = show_claim(claim(&jwt, "iss"));
    let issuer = match jwt.issuer_index(&verifier.issuers) {
        Ok(issuer_index) => &verifier.issuers[issuer_index],
        Err(reason) => {
            let detail = format!("{iss}; configured: {}", configured_issuers(verifier));
            findings.push(rejected("iss", reason, &detail));
            return findings;
        }
    };
    findings.push(accepted("iss", iss));

    let expected = verifier.expected(issuer);
    let run = |&(name, check): &Check| {
        let detail = check_detail(name, &jwt, &expected);
        match check(&jwt, &expected) {
            Ok(()) => accepted(name, detail),
            Err(reason) => rejected(name, reason, &detail),
        }
    };
    findings.extend(jwt::HEADER_CHECKS.iter().map(run));
    findings.push(match jwt.algorithm(issuer) {
        Ok(algorithm) => accepted("alg", algorithm.name().to_owned()),
        Err(reason) => rejected("alg", reason, &quote(&jwt.header.alg)),
    });
    findings.push(signature_finding(verifier, &jwt, issuer).await);
    findings.extend(jwt::CLAIM_CHECKS.iter().map(run));
    findings.push(scope_finding(verifier, &jwt));
    findings
}

/// Returns what the log adds to the reason of a rejection: numbers and configured values, no text from the token.
pub(super) fn log_detail(verifier: &Verifier, token: &str, reason: TokenError) -> String {
    let Ok(jwt) = Jwt::parse(token) else {
        return format!("{} bytes, {} parts", token.len(), token.split('.').count());
    };
    let Ok(issuer_index) = jwt.issuer_index(&verifier.issuers) else {
        return format!("configured: {}", configured_issuers(verifier));
    };
    let issuer = &verifier.issuers[issuer_index];
    let now_seconds = verifier.clock.wall_seconds();
    let detail = match reason {
        TokenError::Expired => show_time("exp", claim(&jwt, "exp"), now_seconds),
        TokenError::NotYetValid => show_time("nbf", claim(&jwt, "nbf"), now_seconds),
        TokenError::IssuedInFuture => show_time("iat", claim(&jwt, "iat"), now_seconds),
        TokenError::Audience => format!("accepted: {}", issuer.audience.join(", ")),
        TokenError::RequiredClaim => {
            let names: Vec<_> = issuer.required_claims.keys().map(String::as_str).collect();
            format!("required: {}", names.join(", "))
        }
        TokenError::UnknownKey if jwt.header.kid.is_none() => "no kid".to_owned(),
        _ => return format!("issuer {}", issuer.identifier),
    };
    format!("issuer {}; {detail}", issuer.identifier)
}

/// Describes the value that a check of header or claims looks at.
fn check_detail(name: &'static str, jwt: &Jwt<'_>, expected: &Expected<'_>) -> String {
    match name {
        "typ" => jwt.header.typ.as_deref().map_or("absent".to_owned(), quote),
        "crit" => if jwt.header.crit { "present" } else { "absent" }.to_owned(),
        "exp" | "nbf" | "iat" => show_time(name, claim(jwt, name), expected.now_seconds),
        "aud" => format!(
            "{}; accepted: {}",
            match &expected.issuer.audience_claim {
                Some(reference) if claim(jwt, "aud").is_none() => {
                    format!("{reference} {}", show_claim(jwt.claims.find(reference)))
                }
                _ => show_claim(claim(jwt, "aud")),
            },
            expected.issuer.audience.join(", ")
        ),
        "tid" => match &expected.issuer.tenant {
            Some(tenant) => format!(
                "{}; tenant of the issuer: {tenant}",
                show_claim(claim(jwt, "tid"))
            ),
            None => "the issuer has no tenants".to_owned(),
        },
        "require-claims" => required_claims(jwt, expected.issuer),
        "sub" => jwt
            .subject()
            .map_or_else(|_| show_claim(claim(jwt, "sub")), |subject| quote(&subject)),
        "kind" => "an access token bears no mark of another kind".to_owned(),
        _ => "absent".to_owned(),
    }
}

/// Verifies the signature. A failure lists the issuer's unusable keys, since one of them may be the token's.
async fn signature_finding(verifier: &Verifier, jwt: &Jwt<'_>, issuer: &Issuer) -> Finding {
    let kid = jwt
        .header
        .kid
        .as_deref()
        .map_or("no kid".to_owned(), |kid| format!("kid {}", quote(kid)));
    match verifier.signing_key(jwt, issuer).await {
        Ok(_) => accepted("signature", format!("made by a key of this issuer ({kid})")),
        Err(VerifyError::InvalidToken(reason)) => {
            let unusable = match issuer.keys.current(&verifier.clock).await {
                Ok(known) if !known.set.unusable.is_empty() => {
                    format!("; keys not usable: {}", known.set.unusable_reasons())
                }
                _ => String::new(),
            };
            rejected("signature", reason, &format!("{kid}{unusable}"))
        }
        Err(VerifyError::KeysUnavailable(unavailable)) => Finding {
            name: "signature",
            accepted: false,
            message: format!(
                "the issuer's keys cannot be fetched: {}",
                unavailable.reason
            ),
        },
    }
}

/// Checks the scopes that every request needs.
fn scope_finding(verifier: &Verifier, jwt: &Jwt<'_>) -> Finding {
    let scopes = verifier.granted_scopes(jwt);
    let missing: Vec<_> = verifier
        .required_scopes
        .iter()
        .filter(|required| !scopes.contains(required))
        .map(String::as_str)
        .collect();
    let granted = if scopes.is_empty() {
        "none".to_owned()
    } else {
        quote(&scopes.join(" "))
    };
    Finding {
        name: "scope",
        accepted: missing.is_empty(),
        message: if missing.is_empty() {
            granted
        } else {
            format!("{granted}; lacks {}", missing.join(" "))
        },
    }
}

/// Describes the claims that the configuration requires.
fn required_claims(jwt: &Jwt<'_>, issuer: &Issuer) -> String {
    let claims: Vec<_> = issuer
        .required_claims
        .iter()
        .map(|(reference, value)| {
            let found = show_claim(jwt.claims.find(reference));
            format!("{reference} is {found}; required: {value}")
        })
        .collect();
    match claims.is_empty() {
        true => "none".to_owned(),
        false => ellipsize(&claims.join("; "), MAX_CLAIM_BYTES).into_owned(),
    }
}

/// Returns a claim as sent in the token.
fn claim<'a>(jwt: &'a Jwt<'_>, name: &str) -> Option<&'a Value> {
    jwt.claims.get(name)
}

fn show_claim(claim: Option<&Value>) -> String {
    claim.map_or("absent".to_owned(), |value| {
        ellipsize(&value.to_string(), MAX_CLAIM_BYTES).into_owned()
    })
}

fn quote(text: &str) -> String {
    ellipsize(&format!("{text:?}"), MAX_CLAIM_BYTES).into_owned()
}

/// Formats a time and its distance from now.
fn show_time(name: &'static str, claim: Option<&Value>, now_seconds: u64) -> String {
    match jwt::numeric_date(name, claim) {
        Ok(Some(at)) if at >= now_seconds => format!("{at}, in {} s", at - now_seconds),
        Ok(Some(at)) => format!("{at}, {} s ago", now_seconds - at),
        Ok(None) | Err(_) => show_claim(claim),
    }
}

fn configured_issuers(verifier: &Verifier) -> String {
    let issuers: Vec<_> = verifier
        .issuers
        .iter()
        .map(|issuer| issuer.identifier.as_str())
        .collect();
    issuers.join(", ")
}

fn accepted(name: &'static str, message: String) -> Finding {
    Finding {
        name,
        accepted: true,
        message,
    }
}

fn rejected(name: &'static str, reason: TokenError, detail: &str) -> Finding {
    Finding {
        name,
        accepted: false,
        message: format!("{reason} ({detail})"),
    }
}
