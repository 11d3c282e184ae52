//! Authorisation of outgoing requests.

use std::net::IpAddr;

use http::Method;
use url::Url;

use super::http_rule::HttpRule;
use crate::network::{AddressPolicy, literal_address};

/// The HTTP requests that a component may send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// The entries of `http`. Without an entry every request is refused.
    pub rules: Vec<HttpRule>,
    /// Whether names may resolve to private addresses.
    pub private_network: bool,
}

/// The reason a request is refused before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenied {
    /// No entry covers the request.
    #[error("no entry of `http` covers it")]
    NotGranted,
    /// The address is private.
    #[error("the address is private")]
    PrivateAddress,
    /// The URL is malformed or contains credentials.
    #[error("the URL is malformed or contains credentials")]
    Url,
    /// The method is `CONNECT`. Requests inside of its tunnel could not be checked.
    #[error("the method `CONNECT` is refused")]
    Connect,
}

impl HttpGrant {
    /// Authorises a request and returns the normalised URL. The request must be sent to that URL, because it is the one
    /// that was checked.
    ///
    /// A name is not resolved here. The connection is opened only to an address that [`HttpGrant::permits`].
    ///
    /// # Errors
    /// The reason the request is refused.
    pub fn authorize(&self, method: &Method, url: &str) -> Result<Url, EgressDenied> {
        if method == Method::CONNECT {
            return Err(EgressDenied::Connect);
        }
        let url = Url::parse(url).map_err(|_| EgressDenied::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressDenied::Url);
        }
        if !self.rules.iter().any(|rule| rule.covers(&url)) {
            return Err(EgressDenied::NotGranted);
        }
        // No resolver sees a literal address, so it is checked here.
        match literal_address(&url) {
            Some(address) if !self.permits(address) => Err(EgressDenied::PrivateAddress),
            _ => Ok(url),
        }
    }

    /// Whether a connection to this address is permitted. The address is the request's host or the host resolves to it.
    pub fn permits(&self, address: IpAddr) -> bool {
        // With `private-network`, an address that an entry names literally is always permitted.
        let is_named = self.private_network
            && self
                .rules
                .iter()
                .any(|rule| rule.address() == Some(address.to_canonical()));
        is_named || self.reach().permits(address)
    }

    /// The addresses that a name may resolve to.
    pub(super) fn reach(&self) -> AddressPolicy {
        AddressPolicy::for_any_host(self.private_network)
    }

    /// Returns the first entry that can never match, because it names a private address and `private-network` is off.
    pub(in crate::sandbox) fn first_unusable_rule(&self) -> Option<&HttpRule> {
        self.rules.iter().find(|rule| {
            !self.private_network
                && (rule.is_loopback()
                    || rule.address().is_some_and(|address| !self.permits(address)))
        })
    }
}
