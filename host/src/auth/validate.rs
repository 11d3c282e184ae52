//! Validation of the settings that do not belong to a single issuer, and warnings about risky settings.

use url::Url;

use super::claims::is_claim_reference;
use super::compare::is_same;
use super::config::{
    GuardConfig, GuardConfigError, KeySource, MAX_LEEWAY_SECONDS, MAX_OUTAGE_SECONDS, prefix,
};
use super::scopes;
use crate::network::is_loopback;

/// Validates these settings and reports every error.
pub(super) fn check(config: &GuardConfig, errors: &mut Vec<GuardConfigError>) {
    if config.issuers.is_empty() {
        errors.push(GuardConfigError::new(
            "auth.issuer",
            "is missing; give the `iss` of the tokens",
        ));
    }
    let leeway_seconds = config.leeway.as_secs();
    if leeway_seconds > MAX_LEEWAY_SECONDS {
        let message = format!(
            "is {leeway_seconds} s; give {MAX_LEEWAY_SECONDS} s at most and set the clocks"
        );
        errors.push(GuardConfigError::new("auth.leeway", message));
    }
    let outage_seconds = config.outage.as_secs();
    if outage_seconds > MAX_OUTAGE_SECONDS {
        let message = format!(
            "is {outage_seconds} s; give {MAX_OUTAGE_SECONDS} s at most, since a withdrawn key serves as long"
        );
        errors.push(GuardConfigError::new("auth.outage", message));
    }
    let implied = config
        .scope_implies
        .iter()
        .flat_map(|(scope, implied)| std::iter::once(scope).chain(implied));
    for (key, bad) in [
        (
            "auth.required-scopes",
            config
                .required_scopes
                .iter()
                .find(|scope| !scopes::is_scope(scope)),
        ),
        (
            "auth.scope-implies",
            implied.into_iter().find(|scope| !scopes::is_scope(scope)),
        ),
    ] {
        if let Some(scope) = bad {
            let message = format!(
                "holds {scope:?}, which is no scope: one word of visible ASCII without `\"` and `\\`"
            );
            errors.push(GuardConfigError::new(key, message));
        }
    }
    for reference in &config.scope_claims {
        if !is_claim_reference(reference) {
            let message = format!(
                "holds {reference:?}, which names no claim: give a name or a JSON Pointer such as \"/a/b\""
            );
            errors.push(GuardConfigError::new("auth.scope-claims", message));
        }
    }
    if config
        .required_scopes
        .iter()
        .any(|scope| scope == scopes::OFFLINE_ACCESS)
    {
        let message = "holds offline_access, which clients ask of the issuer and no resource needs; remove it";
        errors.push(GuardConfigError::new("auth.required-scopes", message));
    }
}

/// Returns one sentence for each setting that is allowed but may be unintended.
pub(super) fn warnings(config: &GuardConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_cleartext =
        |url: &str| Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url));
    if is_cleartext(&config.resource) {
        warnings.push(format!(
            "server.public-url makes the resource {}, which is not https: tokens travel in clear",
            config.resource
        ));
    }
    for server in &config.authorization_servers {
        if is_cleartext(server) {
            warnings.push(format!(
                "auth.authorization-servers holds {server}, which is not https"
            ));
        }
    }
    for (index, issuer) in config.issuers.iter().enumerate() {
        let prefix = prefix(index);
        if issuer.audience_claim.is_none()
            && !issuer
                .audience
                .iter()
                .any(|audience| is_same(audience, &config.resource))
        {
            warnings.push(format!(
                "{prefix}.audience is not the resource {}: tokens meant for another service may pass (RFC 8707)",
                config.resource
            ));
        }
        if matches!(issuer.keys, KeySource::Secret(_)) {
            warnings.push(format!(
                "{prefix}.secret is shared: whoever can check a token can also make one"
            ));
        }
        let (key, url) = match &issuer.keys {
            KeySource::JwksUri(url) => ("jwks-uri", url.as_str()),
            KeySource::Discover => ("issuer", issuer.issuer.as_str()),
            KeySource::PublicKey(_) | KeySource::Secret(_) => ("", ""),
        };
        if is_cleartext(url) {
            warnings.push(format!(
                "{prefix}.{key} is not https: whoever is on the way can replace the keys, and so make tokens"
            ));
        }
        if issuer.private_network {
            warnings.push(format!(
                "{prefix}.private-network lets the keys come from a private address"
            ));
        }
    }
    warnings
}
