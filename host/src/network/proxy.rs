//! The proxy for the host's own https requests.

use reqwest::{NoProxy, Proxy};
use url::Url;

/// The environment variables that name the proxy, in the order of precedence.
const VARIABLES: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];

/// A forward proxy, through which https requests are made with `CONNECT`. Hosts in `NO_PROXY` are contacted directly.
#[derive(Clone)]
pub(crate) struct HttpsProxy {
    url: Url,
}

impl HttpsProxy {
    /// Returns the proxy at this URL, or `None` unless it is an http or https URL of a host.
    pub(crate) fn new(url: &Url) -> Option<HttpsProxy> {
        let is_base = matches!(url.path(), "" | "/") && url.query().is_none();
        (matches!(url.scheme(), "http" | "https") && url.has_host() && is_base)
            .then(|| HttpsProxy { url: url.clone() })
    }

    /// Returns the proxy that the environment names, if any.
    ///
    /// # Errors
    ///
    /// The name of the variable whose value is not the URL of a proxy.
    pub(crate) fn from_environment() -> Result<Option<HttpsProxy>, &'static str> {
        for variable in VARIABLES {
            match std::env::var(variable) {
                Ok(value) if !value.is_empty() => {
                    return parse(&value).map(Some).ok_or(variable);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Returns the host of the proxy, as a resolver is asked for it.
    pub(crate) fn host(&self) -> Option<&str> {
        self.url.host_str()
    }

    /// Returns the setting of an HTTP client.
    pub(crate) fn to_reqwest(&self) -> Result<Proxy, reqwest::Error> {
        Ok(Proxy::https(self.url.clone())?.no_proxy(NoProxy::from_env()))
    }
}

/// Parses the value of a variable, in which the scheme may be left out.
fn parse(value: &str) -> Option<HttpsProxy> {
    let url = match value.contains("://") {
        true => Url::parse(value),
        false => Url::parse(&format!("http://{value}")),
    };
    HttpsProxy::new(&url.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_parsed() {
        for (value, host) in [
            ("http://proxy.example:3128", Some("proxy.example")),
            ("http://proxy.example:3128/", Some("proxy.example")),
            ("https://user:password@proxy.example", Some("proxy.example")),
            ("proxy.example:3128", Some("proxy.example")),
            ("10.0.0.1:3128", Some("10.0.0.1")),
            ("socks5://proxy.example:1080", None),
            ("http://proxy.example/path", None),
            ("http://", None),
        ] {
            let proxy = parse(value);
            let found = proxy.as_ref().and_then(HttpsProxy::host);
            assert_eq!(found, host, "{value}");
        }
    }
}
