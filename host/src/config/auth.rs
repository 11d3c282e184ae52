//! `[auth]`: access control, and the access tokens that are accepted.

use toml::de::DeValue;
use url::Url;

use super::network::NetworkConfig;
use super::section::Section;
use super::server::ServerConfig;
use crate::auth::{GuardConfig, IssuerConfig, KeySource, Secret};

/// The callers that are accepted.
#[derive(Debug, Clone)]
pub enum Access {
    /// Not configured. Components can be inspected and called locally, but not served.
    Unset,
    /// Every client that reaches the address, without a token.
    Open,
    /// Clients with an access token that the guard accepts.
    Guarded(Box<GuardConfig>),
}

/// Reads `[auth]`. The resource identifier comes from `server`.
pub(super) fn read_auth(
    section: Section<'_, '_>,
    server: &ServerConfig,
    network: &NetworkConfig,
) -> GuardConfig {
    if server.public_url.is_none() && server.listen.url_authority().is_none() {
        section.error(
            "issuer",
            "needs `server.public-url` beside it: with this `listen` address nothing else says \
             which URL clients use",
        );
    }
    let mut config = GuardConfig::new(server.resource(), String::new(), String::new());
    config.metadata_url = server.metadata_url.clone();
    config.proxy.clone_from(&network.proxy);
    config.ca.clone_from(&network.ca);
    config.issuers = vec![read_issuer(&section)];
    for table in section.table_list("issuers") {
        config.issuers.push(read_issuer(&table));
        table.finish();
    }
    config.authorization_servers = section
        .string_list("authorization-servers")
        .unwrap_or_default();
    if let Some(claims) = section.string_list("scope-claims") {
        config.scope_claims = claims;
    }
    config.required_scopes = section.string_list("required-scopes").unwrap_or_default();
    config.scope_implies = section.string_list_map("scope-implies").unwrap_or_default();
    config.require_at_jwt = section.boolean("require-at-jwt").unwrap_or(false);
    config.pass_claims = section.string_list("pass-claims").unwrap_or_default();
    if let Some(leeway) = section.duration("leeway") {
        config.leeway = leeway;
    }
    if let Some(outage) = section.duration("outage") {
        config.outage = outage;
    }
    section.finish();
    config
}

/// Reads the keys of one issuer, which are the same in `[auth]` and `[[auth.issuers]]`.
fn read_issuer(section: &Section<'_, '_>) -> IssuerConfig {
    for key in ["issuer", "audience"] {
        if section.value(key).is_none() {
            section.error(
                key,
                "is missing; only tokens of the named issuer for the named audience are accepted",
            );
        }
    }
    let jwks_uri = section.parsed("jwks-uri", "a URL", |text| Url::parse(text).ok());
    let public_key = section.string("public-key");
    let secret = section.string("secret");
    let key_sources = [jwks_uri.is_some(), public_key.is_some(), secret.is_some()];
    if key_sources.iter().filter(|is_given| **is_given).count() > 1 {
        section.error(
            "jwks-uri",
            "is given together with another key; give one of `jwks-uri`, `public-key` and `secret`",
        );
    }
    let algorithms = section.string_list("algorithms").unwrap_or_default();
    let (audience_claim, audience) = read_audience(section);
    IssuerConfig {
        issuer: section.string("issuer").unwrap_or_default(),
        tenants: section.string_list("tenants").unwrap_or_default(),
        audience,
        audience_claim,
        required_claims: section.json_object("require-claims").unwrap_or_default(),
        keys: match (jwks_uri, public_key, secret) {
            (Some(url), ..) => KeySource::JwksUri(url),
            (_, Some(text), _) => KeySource::PublicKey(text),
            (.., Some(secret)) => KeySource::Secret(Secret::new(secret)),
            (None, None, None) => KeySource::Discover,
        },
        algorithms: algorithms
            .iter()
            .filter_map(|name| {
                name.parse()
                    .map_err(|e| section.error("algorithms", format!("has {name:?}: {e}")))
                    .ok()
            })
            .collect(),
        private_network: section.boolean("private-network").unwrap_or(false),
    }
}

/// Reads the claim that contains the audience, if it is not `aud`, and the accepted audiences: a string, a list, or
/// `{ claim = "client_id", any-of = ["…"] }`.
fn read_audience(section: &Section<'_, '_>) -> (Option<String>, Vec<String>) {
    let is_claim = section.value("audience").is_some_and(|value| {
        matches!(value.get_ref(), DeValue::Table(table) if table.contains_key("claim") || table.contains_key("any-of"))
    });
    if !is_claim {
        let audience = section.string_or_list("audience");
        return (None, audience.unwrap_or_default());
    }
    let Some(table) = section.table("audience") else {
        return (None, Vec::new());
    };
    for key in ["claim", "any-of"] {
        if table.value(key).is_none() {
            table.error(
                key,
                "is missing; an audience in another claim is { claim = \"client_id\", any-of = [\"…\"] }",
            );
        }
    }
    let claim = table.string("claim");
    let audience = table.string_list("any-of").unwrap_or_default();
    table.finish();
    (claim, audience)
}
