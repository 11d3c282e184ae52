//! The HTTP clients of the host's own requests: the proxy, additional certificate authorities, and the policy on
//! addresses.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use url::Url;

use super::address::AddressPolicy;
use super::proxy::HttpsProxy;
use super::resolver::Resolver;

/// The proxy and the additional certificate authorities for all requests.
#[derive(Default)]
pub(crate) struct Outbound {
    proxy: Option<HttpsProxy>,
    authorities: Vec<Certificate>,
}

/// An error in the settings of [`Outbound`]: the key or environment variable, and a sentence to be read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutboundError {
    /// The key in the configuration file, or the environment variable.
    pub(crate) key: &'static str,
    /// The problem and its remedy.
    pub(crate) message: &'static str,
}

impl Outbound {
    /// Validates the proxy and the PEM certificates. If `proxy` is `None` and `reads_environment`, the proxy is the one
    /// that the environment names.
    ///
    /// # Errors
    /// Every error; the client without the invalid settings is returned beside them.
    pub(crate) fn new(
        proxy: Option<&Url>,
        ca: Option<&str>,
        reads_environment: bool,
    ) -> (Self, Vec<OutboundError>) {
        let mut errors = Vec::new();
        let mut report = |key, message| errors.push(OutboundError { key, message });
        let proxy = match proxy {
            Some(url) => HttpsProxy::new(url).map(Some).ok_or("network.proxy"),
            None if reads_environment => HttpsProxy::from_environment(),
            None => Ok(None),
        };
        let proxy = proxy.unwrap_or_else(|key| {
            let message =
                "is not the URL of a proxy; give one such as \"http://proxy.example.com:3128\"";
            report(key, message);
            None
        });
        let pem = ca.unwrap_or_default();
        let authorities = match Certificate::from_pem_bundle(pem.as_bytes()) {
            Ok(found) if found.is_empty() && ca.is_none() => found,
            Ok(found) if !found.is_empty() && are_usable(&found) => found,
            _ => {
                let message =
                    "has no usable certificate; give a PEM file with `-----BEGIN CERTIFICATE-----`";
                report("network.ca", message);
                Vec::new()
            }
        };
        (Self { proxy, authorities }, errors)
    }

    /// Returns the settings of a client that connects only to permitted addresses, through the proxy unless `is_direct`.
    /// It follows no redirects: one would bypass the check of the URL.
    ///
    /// # Errors
    /// The proxy cannot be used.
    pub(crate) fn client_builder(
        &self,
        policy: AddressPolicy,
        is_direct: bool,
    ) -> Result<ClientBuilder, reqwest::Error> {
        let proxy = self.proxy.as_ref().filter(|_| !is_direct);
        let resolver = Resolver::new(policy).trusting(proxy.and_then(HttpsProxy::host));
        let builder = Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .redirect(Policy::none())
            // Only the validated proxy is used: it resolves names itself and bypasses the check of the address.
            .no_proxy()
            .tls_certs_merge(self.authorities.iter().cloned())
            .referer(false)
            .dns_resolver(resolver);
        match proxy {
            Some(proxy) => Ok(builder.proxy(proxy.to_reqwest()?)),
            None => Ok(builder),
        }
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
