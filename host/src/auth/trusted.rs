//! The issuers of a configuration, one for each tenant of an issuer that has tenants.

use url::Url;

use super::compare::is_same;
use super::config::{GuardConfig, GuardConfigError, IssuerConfig, KeySource, prefix};

/// The placeholder for the tenant in `issuer` and `jwks-uri`.
const PLACEHOLDER: &str = "{tenant}";

/// The placeholder as a parsed URL has it.
const ENCODED_PLACEHOLDER: &str = "%7Btenant%7D";

/// The maximum number of tenants of one issuer. Each has its own keys and HTTP client.
pub(super) const MAX_TENANTS: usize = 256;

/// One issuer, without placeholders.
pub(super) struct TrustedIssuer {
    /// The table of the issuer in the configuration file.
    pub(super) prefix: String,
    pub(super) config: IssuerConfig,
    pub(super) tenant: Option<String>,
}

/// Returns the issuers of the configuration and reports every error of `tenants`, and issuers that occur twice.
pub(super) fn trusted_issuers(
    config: &GuardConfig,
    errors: &mut Vec<GuardConfigError>,
) -> Vec<TrustedIssuer> {
    let mut trusted: Vec<TrustedIssuer> = Vec::new();
    for (index, issuer) in config.issuers.iter().enumerate() {
        let prefix = prefix(index);
        if let Some((key, message)) = tenants_error(issuer) {
            errors.push(GuardConfigError::new(format!("{prefix}.{key}"), message));
            continue;
        }
        for one in expand(issuer, &prefix) {
            let identifier = &one.config.issuer;
            if trusted
                .iter()
                .any(|other| is_same(&other.config.issuer, identifier))
            {
                errors.push(GuardConfigError::new(
                    format!("{prefix}.issuer"),
                    "is there twice; put its audiences into one list and its keys into one set",
                ));
            }
            trusted.push(one);
        }
    }
    trusted
}

/// Returns the key of an invalid setting about tenants, with the problem and its remedy.
fn tenants_error(issuer: &IssuerConfig) -> Option<(&'static str, String)> {
    let has_placeholder = issuer.issuer.contains(PLACEHOLDER);
    let tenants = &issuer.tenants;
    if tenants.is_empty() {
        return has_placeholder.then(|| {
            let message =
                "has {tenant} in it; list the tenants whose tokens are accepted in `tenants`";
            ("issuer", message.to_owned())
        });
    }
    if !has_placeholder {
        let message =
            "needs {tenant} in `issuer`, such as \"https://login.example.com/{tenant}/v2.0\"";
        return Some(("tenants", message.to_owned()));
    }
    if tenants.len() > MAX_TENANTS {
        let message = format!(
            "lists {} tenants; list {MAX_TENANTS} at most",
            tenants.len()
        );
        return Some(("tenants", message));
    }
    let bad = tenants.iter().find(|tenant| !is_tenant(tenant))?;
    let message = format!("holds {bad:?}; a tenant is letters, digits, `-`, `_`, `.` and `~`");
    Some(("tenants", message))
}

/// Returns whether the text is one segment of a path, without characters that a URL would encode.
fn is_tenant(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

/// Replaces the placeholder by each tenant.
fn expand(issuer: &IssuerConfig, prefix: &str) -> Vec<TrustedIssuer> {
    if issuer.tenants.is_empty() {
        return vec![TrustedIssuer {
            prefix: prefix.to_owned(),
            config: issuer.clone(),
            tenant: None,
        }];
    }
    let for_tenant = |tenant: &String| {
        let mut config = issuer.clone();
        config.issuer = issuer.issuer.replace(PLACEHOLDER, tenant);
        if let KeySource::JwksUri(url) = &mut config.keys {
            let text = url.as_str().replace(ENCODED_PLACEHOLDER, tenant);
            // A tenant needs no encoding, so the text remains a URL.
            *url = Url::parse(&text).unwrap_or_else(|_| url.clone());
        }
        TrustedIssuer {
            prefix: prefix.to_owned(),
            config,
            tenant: Some(tenant.clone()),
        }
    };
    issuer.tenants.iter().map(for_tenant).collect()
}
