//! Says why a token is accepted or not, for the operator who asks: the same checks as the guard's, all of them.

use serde_json::Value;

use super::challenge::Reason;
use super::jwt::{self, Jwt};
use super::verifier::{Denied, Verifier};

/// The longest text of a claim that is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// One thing found out about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a claim, a header member, `signature` or `scope`.
    pub name: &'static str,
    /// Whether it speaks for the token. A token is accepted when everything does.
    pub accepted: bool,
    /// What was found and, where it speaks against the token, what was expected.
    pub says: String,
}

pub(super) async fn explain(judge: &Verifier, token: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let jwt = match Jwt::parse(token.trim()) {
        Ok(jwt) => jwt,
        Err(reason) => {
            return vec![refused(
                "format",
                reason,
                "three parts of base64url with JSON in them",
            )];
        }
    };
    findings.push(accepted("format", "a signed JWT".to_owned()));

    let text = |name: &str| shown(claim(&jwt, name));
    let issuer = match jwt.trusted_by(&judge.trusts) {
        Ok(issuer) => issuer,
        Err(reason) => {
            let expected = format!("{}; configured: {}", text("iss"), configured(judge));
            findings.push(refused("iss", reason, &expected));
            return findings;
        }
    };
    let trust = &judge.trusts[issuer];
    findings.push(accepted("iss", text("iss")));

    let expected = judge.expected(trust);
    let run = |checks: &[jwt::Check], findings: &mut Vec<Finding>| {
        for (name, check) in checks {
            let detail = match *name {
                "typ" => jwt
                    .header
                    .typ
                    .as_deref()
                    .map_or("absent".to_owned(), quoted),
                "crit" => if jwt.header.crit { "present" } else { "absent" }.to_owned(),
                "exp" | "nbf" | "iat" => time(name, claim(&jwt, name), expected.now_seconds),
                "aud" => format!("{}; accepted: {}", text("aud"), trust.audience.join(", ")),
                "sub" => jwt
                    .subject()
                    .map_or_else(|_| text("sub"), |subject| quoted(&subject)),
                "kind" => "an access token bears no mark of another kind".to_owned(),
                _ => "absent".to_owned(),
            };
            findings.push(match check(&jwt, &expected) {
                Ok(()) => accepted(name, detail),
                Err(reason) => refused(name, reason, &detail),
            });
        }
    };
    run(jwt::HEADER_CHECKS, &mut findings);
    findings.push(match jwt.algorithm(trust) {
        Ok(algorithm) => accepted("alg", algorithm.name().to_owned()),
        Err(reason) => refused("alg", reason, &quoted(&jwt.header.alg)),
    });
    let kid = jwt
        .header
        .kid
        .as_deref()
        .map_or("no kid".to_owned(), |kid| format!("kid {}", quoted(kid)));
    findings.push(match judge.signing_key(&jwt, trust).await {
        Ok(_) => accepted("signature", format!("made by a key of this issuer ({kid})")),
        Err(Denied::Token(reason)) => {
            let unusable = match trust.keys.current(&judge.clock).await {
                Ok(known) if !known.set.unusable.is_empty() => {
                    format!("; keys not usable: {}", known.set.why_unusable())
                }
                _ => String::new(),
            };
            refused("signature", reason, &format!("{kid}{unusable}"))
        }
        Err(Denied::Keys(unavailable)) => Finding {
            name: "signature",
            accepted: false,
            says: format!("the issuer's keys cannot be fetched: {}", unavailable.why),
        },
    });
    run(jwt::CLAIM_CHECKS, &mut findings);

    let scopes = judge.hierarchy.expand(jwt.scopes());
    let lacking: Vec<_> = judge
        .required_scopes
        .iter()
        .filter(|needed| !scopes.contains(needed))
        .map(String::as_str)
        .collect();
    let has = if scopes.is_empty() {
        "none".to_owned()
    } else {
        quoted(&scopes.join(" "))
    };
    findings.push(Finding {
        name: "scope",
        accepted: lacking.is_empty(),
        says: if lacking.is_empty() {
            has
        } else {
            format!("{has}; lacks {}", lacking.join(" "))
        },
    });
    findings
}

/// A claim as it stands in the token.
fn claim<'a>(jwt: &'a Jwt<'_>, name: &str) -> Option<&'a Value> {
    let claims = &jwt.claims;
    match name {
        "iss" => claims.iss.as_ref(),
        "sub" => claims.sub.as_ref(),
        "aud" => claims.aud.as_ref(),
        "exp" => claims.exp.as_ref(),
        "nbf" => claims.nbf.as_ref(),
        "iat" => claims.iat.as_ref(),
        _ => None,
    }
}

fn shown(claim: Option<&Value>) -> String {
    claim.map_or("absent".to_owned(), |value| cut(&value.to_string()))
}

fn quoted(text: &str) -> String {
    cut(&format!("{text:?}"))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A time and how far it is from now.
fn time(name: &'static str, claim: Option<&Value>, now_seconds: u64) -> String {
    match jwt::seconds(name, claim) {
        Ok(Some(at)) if at >= now_seconds => format!("{at}, in {} s", at - now_seconds),
        Ok(Some(at)) => format!("{at}, {} s ago", now_seconds - at),
        Ok(None) | Err(_) => shown(claim),
    }
}

/// What the log says about a refused token beside the reason: numbers and the settings, no text of the token's.
pub(super) fn detail(judge: &Verifier, token: &str, reason: Reason) -> String {
    let Ok(jwt) = Jwt::parse(token) else {
        return format!("{} bytes, {} parts", token.len(), token.split('.').count());
    };
    let Ok(issuer) = jwt.trusted_by(&judge.trusts) else {
        return format!("configured: {}", configured(judge));
    };
    let trust = &judge.trusts[issuer];
    let now_seconds = judge.clock.wall_seconds();
    let more = match reason {
        Reason::Expired => time("exp", claim(&jwt, "exp"), now_seconds),
        Reason::NotYetValid => time("nbf", claim(&jwt, "nbf"), now_seconds),
        Reason::IssuedInFuture => time("iat", claim(&jwt, "iat"), now_seconds),
        Reason::Audience => format!("accepted: {}", trust.audience.join(", ")),
        Reason::UnknownKey if jwt.header.kid.is_none() => "no kid".to_owned(),
        _ => return format!("issuer {}", trust.issuer),
    };
    format!("issuer {}; {more}", trust.issuer)
}

fn configured(judge: &Verifier) -> String {
    let issuers: Vec<_> = judge
        .trusts
        .iter()
        .map(|trust| trust.issuer.as_str())
        .collect();
    issuers.join(", ")
}

fn accepted(name: &'static str, says: String) -> Finding {
    Finding {
        name,
        accepted: true,
        says,
    }
}

fn refused(name: &'static str, reason: Reason, detail: &str) -> Finding {
    Finding {
        name,
        accepted: false,
        says: format!("{reason} ({detail})"),
    }
}
