//! HTTP requests to servers that a reference names, and to those that they refer to.
//!
//! Every URL is checked before it is requested: its scheme, and its address against the policy of the reference. Redirects
//! are followed here, one by one, for the same checks. A redirect to another origin carries no credentials.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Response};
use url::Url;

use super::error::{FetchError, shown};
use crate::network::{
    AddressPolicy, Outbound, PrivateAddress, cause, is_loopback, literal_address,
};

/// Redirects of one request. Registries need one, to their storage.
const MAX_REDIRECTS: usize = 5;
/// Time to connect, with TLS.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// Time without a byte, also before the response begins.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(30);

/// The HTTP clients, by the addresses that they may connect to. They are built on first use because loading the root
/// certificates takes time.
pub(crate) struct HttpClients {
    outbound: Outbound,
    /// Whether private addresses are allowed by configuration.
    private_network: bool,
    /// For other hosts than this machine, through the proxy if there is one.
    client: OnceLock<Client>,
    /// For loopback.
    loopback_client: OnceLock<Client>,
}

/// Makes requests on behalf of one reference.
#[derive(Clone)]
pub(crate) struct HttpClient {
    clients: Arc<HttpClients>,
    policy: AddressPolicy,
    /// Whether the reference names this machine, so that http is accepted there.
    is_local: bool,
}

/// A request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HttpClients {
    /// Creates the clients. With `private_network`, private addresses are allowed.
    pub(crate) fn new(outbound: Outbound, private_network: bool) -> Arc<Self> {
        Arc::new(Self {
            outbound,
            private_network,
            client: OnceLock::new(),
            loopback_client: OnceLock::new(),
        })
    }

    /// Returns a client for requests to `url`, which the operator has named, and to those that its server refers to.
    pub(crate) fn for_url(self: &Arc<Self>, url: &Url) -> HttpClient {
        HttpClient {
            clients: self.clone(),
            policy: AddressPolicy::for_url(url, self.private_network),
            is_local: is_loopback(url),
        }
    }

    fn client(&self, is_local: bool) -> Result<&Client, FetchError> {
        let (cell, policy) = match is_local {
            true => (&self.loopback_client, AddressPolicy::loopback()),
            false => (
                &self.client,
                AddressPolicy::for_any_host(self.private_network),
            ),
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let builder = self.outbound.client_builder(policy, is_local);
        let client = builder
            .and_then(|builder| {
                builder
                    .connect_timeout(MAX_CONNECT)
                    .read_timeout(MAX_IDLE)
                    .build()
            })
            .map_err(FetchError::Client)?;
        Ok(cell.get_or_init(|| client))
    }
}

impl HttpClient {
    /// Sends a request and follows redirects of `GET` and `HEAD`. The status of the response is not checked.
    ///
    /// # Errors
    /// A URL must not be requested, there are too many redirects, or there is no response.
    pub(crate) async fn send(&self, mut request: Request) -> Result<Response, FetchError> {
        let first = host(&request.url);
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&request).await?;
            let is_followed = matches!(request.method, Method::GET | Method::HEAD)
                && matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_followed {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let url = resolve(&request.url, location.unwrap_or_default())?;
            if url.origin() != request.url.origin() {
                request.headers.remove(AUTHORIZATION);
            }
            request.url = url;
        }
        Err(FetchError::Redirects(first))
    }

    async fn send_once(&self, request: &Request) -> Result<Response, FetchError> {
        let url = &request.url;
        let host = host(url);
        let is_local = is_loopback(url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local && self.is_local) {
            return Err(FetchError::NotHttps(shown(url.as_str())));
        }
        // An IP address in the URL does not reach the resolver, nor does a name that the reference does not allow.
        let is_literal_forbidden = literal_address(url).is_some_and(|a| !self.policy.permits(a));
        let is_local_forbidden = is_local && !self.policy.permits_loopback();
        if is_literal_forbidden || is_local_forbidden {
            return Err(FetchError::PrivateAddress(host));
        }
        let client = self.clients.client(is_local)?;
        let sent = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send()
            .await;
        sent.map_err(|error| transport_error(error, host))
    }
}

impl Request {
    /// Creates a request without headers and body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

/// Returns the error for a failed request to `host` or a response that broke off.
pub(super) fn transport_error(error: reqwest::Error, host: String) -> FetchError {
    if cause::<PrivateAddress>(&error).is_some() {
        return FetchError::PrivateAddress(host);
    }
    if error.is_timeout() {
        let fault = match error.is_connect() {
            true => format!("did not answer within {} s", MAX_CONNECT.as_secs()),
            false => format!("sent nothing for {} s", MAX_IDLE.as_secs()),
        };
        return FetchError::TooSlow { host, fault };
    }
    FetchError::Transport {
        host,
        source: error.without_url(),
    }
}

/// Resolves a URL that a server gave.
///
/// # Errors
/// It is not a URL, or it holds credentials.
pub(super) fn resolve(base: &Url, location: &str) -> Result<Url, FetchError> {
    let url = base.join(location).ok().filter(|url| {
        !location.is_empty() && url.username().is_empty() && url.password().is_none()
    });
    url.ok_or_else(|| FetchError::Url {
        host: host(base),
        url: shown(location),
    })
}

/// Returns the host and the port of a URL, for errors.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => shown(&format!("{host}:{port}")),
        None => shown(host),
    }
}

/// Returns the error for a status other than success. `detail` is the server's reason.
pub(super) fn status_error(url: &Url, status: StatusCode, detail: String) -> FetchError {
    FetchError::Status {
        host: host(url),
        status,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URL that a server gave is requested only if the reference or the configuration allows its address.
    #[tokio::test]
    async fn addresses_that_the_reference_does_not_allow_are_refused() {
        // Reference, `private-network`, URL, part of the error. Nothing listens on port 9.
        for (reference, private, url, part) in [
            (
                "https://web.example",
                false,
                "https://localhost:9/",
                "private address",
            ),
            (
                "https://web.example",
                false,
                "https://127.0.0.1:9/",
                "private address",
            ),
            (
                "https://web.example",
                false,
                "https://[::1]:9/",
                "private address",
            ),
            (
                "https://web.example",
                true,
                "https://127.0.0.1:9/",
                "cannot be reached",
            ),
            (
                "https://web.example",
                true,
                "http://127.0.0.1:9/",
                "not https",
            ),
            (
                "https://web.example",
                true,
                "https://169.254.169.254/",
                "private address",
            ),
            (
                "http://localhost:1",
                false,
                "http://127.0.0.1:9/",
                "cannot be reached",
            ),
            (
                "http://localhost:1",
                false,
                "https://10.0.0.1/",
                "private address",
            ),
            (
                "https://10.0.0.1",
                false,
                "https://10.0.0.2/",
                "private address",
            ),
            ("http://localhost:1", false, "http://10.0.0.1/", "not https"),
        ] {
            let clients = HttpClients::new(Outbound::default(), private);
            let reference = Url::parse(reference).expect("a URL");
            let target = Url::parse(url).expect("a URL");
            let client = clients.for_url(&reference);
            let error = client.send(Request::new(Method::GET, target)).await;
            let error = error.expect_err("nothing listens there").to_string();
            assert!(error.contains(part), "{reference} {url}: {error}");
        }
    }
}
