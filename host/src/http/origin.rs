//! Validation of the `Host` and `Origin` headers (MCP, Streamable HTTP, security warning).
//!
//! Defends against DNS rebinding and against web pages that call a server on the user's own machine.

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use url::Url;

use super::responses::{INVALID_REQUEST, json_rpc};

/// Loopback names, which DNS rebinding cannot redirect.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The `Host` and `Origin` values that are accepted.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `host` (any port) or `host:port`, in lower case.
    hosts: Vec<String>,
    /// Origins; a trailing `:*` matches any port.
    origins: Vec<String>,
    /// The origin of the public URL, as browsers send it.
    public_origin: Option<String>,
    /// The schemes of URLs that lead to this server.
    schemes: &'static [Scheme],
}

/// A scheme of URLs and its default port, which browsers leave out of an origin.
#[derive(Debug)]
struct Scheme {
    name: &'static str,
    default_port: &'static str,
}

const HTTPS: Scheme = Scheme {
    name: "https",
    default_port: ":443",
};
const HTTP: Scheme = Scheme {
    name: "http",
    default_port: ":80",
};

impl Policy {
    /// Accepts loopback hosts, the host of `public_url` and the listed hosts. Accepts requests from web pages of the
    /// server's own origin and of the listed origins. `tls`: whether the server itself serves HTTPS.
    pub fn new(public_url: Option<&str>, tls: bool, hosts: &[String], origins: &[String]) -> Self {
        let public = public_url.and_then(|url| Url::parse(url).ok());
        let public_host = public
            .as_ref()
            .and_then(|url| Some(url.host_str()?.to_owned()));
        let listed = hosts.iter().map(|host| host.to_ascii_lowercase());
        let loopback = LOOPBACK_HOSTS.iter().map(ToString::to_string);
        Self {
            hosts: loopback.chain(public_host).chain(listed).collect(),
            origins: origins.to_vec(),
            schemes: match &public {
                Some(url) if url.scheme() == "https" => &[HTTPS],
                Some(_) => &[HTTP],
                None if tls => &[HTTPS],
                // A proxy may terminate TLS.
                None => &[HTTP, HTTPS],
            },
            public_origin: public.map(|url| url.origin().ascii_serialization()),
        }
    }

    /// Also accepts this host, at any port.
    pub fn with_host(mut self, host: String) -> Self {
        self.hosts.push(host.to_ascii_lowercase());
        self
    }

    fn allows_host(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let with_port = authority.as_str().to_ascii_lowercase();
        self.hosts.iter().any(|h| *h == host || *h == with_port)
    }

    /// Returns whether requests from web pages of this origin are accepted.
    ///
    /// The server's own origin is that of its public URL, and the request's `Host`, which must have been validated
    /// before, with the scheme of the public URL.
    pub(super) fn allows_origin(
        &self,
        origin: &HeaderValue,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> bool {
        let Some(origin) = origin.to_str().ok() else {
            return false;
        };
        let mut listed = self.origins.iter();
        if self.is_public_origin(origin) || listed.any(|allowed| matches_origin(allowed, origin)) {
            return true;
        }
        let Some(host) = authority(uri, headers) else {
            return false;
        };
        self.schemes.iter().any(|scheme| {
            let host = host.as_str();
            let host = host.strip_suffix(scheme.default_port).unwrap_or(host);
            let own = format!("{}://{host}", scheme.name);
            own.eq_ignore_ascii_case(origin)
        })
    }

    /// Returns the scheme of the URLs by which clients reach this server.
    fn scheme(&self) -> &'static str {
        self.schemes.first().map_or(HTTP.name, |scheme| scheme.name)
    }

    /// Returns whether this is the origin of the public URL.
    fn is_public_origin(&self, origin: &str) -> bool {
        let mut public = self.public_origin.iter();
        public.any(|public| public.eq_ignore_ascii_case(origin))
    }
}

/// Returns whether `origin` is the allowed origin; a trailing `:*` of `allowed` matches any port.
fn matches_origin(allowed: &str, origin: &str) -> bool {
    match allowed.strip_suffix(":*") {
        None => allowed.eq_ignore_ascii_case(origin),
        Some(any_port) => {
            let Some((start, rest)) = origin.split_at_checked(any_port.len()) else {
                return false;
            };
            let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
            start.eq_ignore_ascii_case(any_port)
                && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
        }
    }
}

/// Returns the authority of a request: HTTP/2 has it in the URI, HTTP/1.1 in its only `Host` header.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    let host: Authority = host.to_str().ok()?.parse().ok()?;
    // The header has no user information (RFC 9110, section 7.2).
    (!host.as_str().contains('@')).then_some(host)
}

/// Returns the target URI of a request (RFC 9110, section 7.1), with the scheme of the URLs by which clients reach this
/// server; `None` if its authority is not valid or it has no path.
pub(super) fn target_uri(policy: &Policy, request: &Parts) -> Option<Uri> {
    let path = request.uri.path_and_query()?.clone();
    let authority = authority(&request.uri, &request.headers)?;
    let uri = Uri::builder().scheme(policy.scheme()).authority(authority);
    uri.path_and_query(path).build().ok()
}

/// Checks the `Host` and `Origin` of a request.
///
/// # Errors
/// The response that rejects the request.
pub(super) fn check(policy: &Policy, request: &Parts) -> Result<(), Box<Response>> {
    let reject = |status, message| {
        let response = json_rpc(status, INVALID_REQUEST, message, None, None);
        Err(Box::new(response))
    };
    let Some(authority) = authority(&request.uri, &request.headers) else {
        return reject(
            StatusCode::BAD_REQUEST,
            "the request has no valid Host header",
        );
    };
    let mut origins = request.headers.get_all(header::ORIGIN).iter();
    let origin = (origins.next(), origins.next());
    // A page of the public URL cannot be one that DNS rebinding brought to this address, whatever `Host` a proxy sends.
    let is_public_page = match origin {
        (Some(origin), None) => origin.to_str().is_ok_and(|o| policy.is_public_origin(o)),
        _ => false,
    };
    if !is_public_page && !policy.allows_host(&authority) {
        tracing::info!(target: "toolcrib::refused::host", { http.host = %authority }, "host denied");
        return reject(
            StatusCode::FORBIDDEN,
            "this Host is not served; the operator can list it in `server.allowed-hosts`",
        );
    }
    let allowed = match origin {
        (None, _) => true,
        (Some(origin), None) => policy.allows_origin(origin, &request.uri, &request.headers),
        (Some(_), Some(_)) => false,
    };
    if !allowed {
        tracing::info!(target: "toolcrib::refused::origin", "origin denied");
        return reject(
            StatusCode::FORBIDDEN,
            "this Origin is not allowed; the operator can list it in `server.allowed-origins`",
        );
    }
    Ok(())
}
