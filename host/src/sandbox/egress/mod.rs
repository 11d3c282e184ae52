//! Outgoing HTTP: every request is judged against the entries of `http`, and then by the address that it leads to.

mod body;
mod client;
mod header_limits;
mod http_grant;

use http::Method;
use url::Url;

pub(super) use client::{Egress, Outgoing};
pub(super) use header_limits::bound;
pub use http_grant::HttpRule;

use crate::network::AddressPolicy;

/// What a component may ask for over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// The entries of `http`. Without one, every request is refused.
    pub rules: Vec<HttpRule>,
    /// Whether names may lead to private addresses.
    pub private_network: bool,
}

/// Why a request is refused before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenied {
    /// No entry covers it.
    #[error("no entry of `http` covers it")]
    NotGranted,
    /// It leads to an address that is out of reach.
    #[error("the address is private")]
    PrivateAddress,
    /// It is no URL that can be asked, or holds credentials.
    #[error("the URL is not one that can be asked")]
    Url,
    /// `CONNECT` makes a tunnel, in which nothing would be judged.
    #[error("the method `CONNECT` is refused")]
    Connect,
}

impl HttpGrant {
    /// Judges a request; the answer is the URL in the form that was judged, which is the one to ask.
    ///
    /// A name is not resolved here: the connection is made only to an address that [`HttpGrant::permits`].
    ///
    /// # Errors
    /// Why it is refused.
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
        match http_grant::address(&url) {
            Some(address) if !self.permits(address) => Err(EgressDenied::PrivateAddress),
            _ => Ok(url),
        }
    }

    /// Whether a connection may go to this address, which a name has led to or which is the host itself.
    pub fn permits(&self, address: std::net::IpAddr) -> bool {
        // What is written literally beside `private-network` is meant.
        let named = self.private_network
            && self
                .rules
                .iter()
                .any(|rule| rule.address() == Some(address.to_canonical()));
        named || self.reach().permits(address)
    }

    fn reach(&self) -> AddressPolicy {
        AddressPolicy::for_any_host(self.private_network)
    }

    /// The first entry that could never be used: it names a private address without leave for one.
    pub(super) fn contradiction(&self) -> Option<&HttpRule> {
        self.rules.iter().find(|rule| {
            !self.private_network
                && (rule.is_loopback()
                    || rule.address().is_some_and(|address| !self.permits(address)))
        })
    }
}
