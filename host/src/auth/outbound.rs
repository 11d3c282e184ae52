//! The HTTP client for key fetches: its proxy, its additional certificate authorities and its limits.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};

use super::config::{GuardConfig, GuardConfigError, KeySource};
use crate::network::HttpsProxy;

/// The time limit for one refresh, metadata and JWKS together.
pub(super) const MAX_FETCH_SECONDS: u64 = 10;

/// The proxy and the additional certificate authorities for all fetches.
#[derive(Default)]
pub(super) struct Outbound {
    pub(super) proxy: Option<HttpsProxy>,
    authorities: Vec<Certificate>,
}

impl Outbound {
    /// Validates the proxy and the certificates, and reports every error.
    pub(super) fn new(config: &GuardConfig, errors: &mut Vec<GuardConfigError>) -> Outbound {
        const NO_PROXY_URL: &str =
            "is not the URL of a proxy; give one such as \"http://proxy.example.com:3128\"";
        let proxy = match &config.proxy {
            Some(url) => HttpsProxy::new(url).map(Some).ok_or("network.proxy"),
            None if fetches_keys(config) => HttpsProxy::from_environment(),
            None => Ok(None),
        };
        let proxy = proxy.unwrap_or_else(|key| {
            errors.push(GuardConfigError::new(key, NO_PROXY_URL));
            None
        });
        let pem = config.ca.as_deref().unwrap_or_default();
        let authorities = match Certificate::from_pem_bundle(pem.as_bytes()) {
            Ok(found) if found.is_empty() && config.ca.is_none() => found,
            Ok(found) if !found.is_empty() && are_usable(&found) => found,
            _ => {
                let message =
                    "has no usable certificate; give a PEM file with `-----BEGIN CERTIFICATE-----`";
                errors.push(GuardConfigError::new("network.ca", message));
                Vec::new()
            }
        };
        Outbound { proxy, authorities }
    }

    /// Returns the settings that all HTTP clients share.
    pub(super) fn client_builder(&self) -> ClientBuilder {
        Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            // A redirect would bypass the check of the URL.
            .redirect(Policy::none())
            // Only the validated proxy is used: it resolves names itself and bypasses the check of the address.
            .no_proxy()
            .tls_certs_merge(self.authorities.iter().cloned())
            .referer(false)
            .timeout(Duration::from_secs(MAX_FETCH_SECONDS))
            .pool_max_idle_per_host(0)
    }
}

/// Returns whether an HTTP client accepts the certificates. Without the system's certificates it is built quickly.
fn are_usable(authorities: &[Certificate]) -> bool {
    Client::builder()
        .no_proxy()
        .tls_certs_only(authorities.iter().cloned())
        .build()
        .is_ok()
}

/// Returns whether the keys of an issuer are fetched.
fn fetches_keys(config: &GuardConfig) -> bool {
    config
        .issuers
        .iter()
        .any(|issuer| matches!(issuer.keys, KeySource::Discover | KeySource::JwksUri(_)))
}
