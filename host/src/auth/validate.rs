//! What the settings say about no single issuer, judged: faults that refuse a start, and warnings that do not.

use url::Url;

use super::compare::is_same;
use super::scopes;
use super::settings::{
    GuardConfig, GuardConfigError, KeySource, LEEWAY_SECONDS_MAX, OUTAGE_SECONDS_MAX, prefix,
};
use crate::network::is_loopback;

pub(super) fn check(settings: &GuardConfig, faults: &mut Vec<GuardConfigError>) {
    if settings.issuers.is_empty() {
        faults.push(GuardConfigError::new(
            "auth.issuer",
            "is missing; give the `iss` of the tokens",
        ));
    }
    for (index, issuer) in settings.issuers.iter().enumerate() {
        let earlier = &settings.issuers[..index];
        if earlier
            .iter()
            .any(|other| is_same(&other.issuer, &issuer.issuer))
        {
            let key = format!("{}.issuer", prefix(index));
            faults.push(GuardConfigError::new(
                key,
                "is there twice; put its audiences into one list and its keys into one set",
            ));
        }
    }
    let leeway_seconds = settings.leeway.as_secs();
    if leeway_seconds > LEEWAY_SECONDS_MAX {
        let says = format!(
            "is {leeway_seconds} s; give {LEEWAY_SECONDS_MAX} s at most and set the clocks"
        );
        faults.push(GuardConfigError::new("auth.leeway", says));
    }
    let outage_seconds = settings.outage.as_secs();
    if outage_seconds > OUTAGE_SECONDS_MAX {
        let says = format!(
            "is {outage_seconds} s; give {OUTAGE_SECONDS_MAX} s at most, since a withdrawn key serves as long"
        );
        faults.push(GuardConfigError::new("auth.outage", says));
    }
    let implied = settings
        .scope_implies
        .iter()
        .flat_map(|(scope, implied)| std::iter::once(scope).chain(implied));
    for (key, bad) in [
        (
            "auth.required-scopes",
            settings
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
            let says = format!(
                "holds {scope:?}, which is no scope: one word of visible ASCII without `\"` and `\\`"
            );
            faults.push(GuardConfigError::new(key, says));
        }
    }
    if settings
        .required_scopes
        .iter()
        .any(|scope| scope == scopes::OFFLINE_ACCESS)
    {
        let says = "holds offline_access, which clients ask of the issuer and no resource needs; remove it";
        faults.push(GuardConfigError::new("auth.required-scopes", says));
    }
}

/// What the settings allow though it may not be meant.
pub(super) fn warnings(settings: &GuardConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let in_clear =
        |url: &str| Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url));
    if in_clear(&settings.resource) {
        warnings.push(format!(
            "server.public-url makes the resource {}, which is not https: tokens travel in clear",
            settings.resource
        ));
    }
    for server in &settings.authorization_servers {
        if in_clear(server) {
            warnings.push(format!(
                "auth.authorization-servers holds {server}, which is not https"
            ));
        }
    }
    for (index, issuer) in settings.issuers.iter().enumerate() {
        let prefix = prefix(index);
        if !issuer
            .audience
            .iter()
            .any(|audience| is_same(audience, &settings.resource))
        {
            warnings.push(format!(
                "{prefix}.audience is not the resource {}: tokens meant for another service may pass (RFC 8707)",
                settings.resource
            ));
        }
        if matches!(issuer.keys, KeySource::Secret(_)) {
            warnings.push(format!(
                "{prefix}.secret is shared: whoever can check a token can also make one"
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
