//! Which `Host` and `Origin` values are answered: the defence against DNS
//! rebinding and against web pages that reach for a server on the user's own
//! machine (MCP, Streamable HTTP, security).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use url::Url;

use super::responses::{INVALID_REQUEST, json_rpc};

/// Names of this machine that no rebinding can point elsewhere.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The allow-lists.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `host` (any port) or `host:port`, in lower case.
    hosts: Vec<String>,
    /// Origins; a `:*` at the end stands for any port.
    origins: Vec<String>,
}

impl Policy {
    /// Answers loopback names, the host of `public_url`, and what is listed.
    /// Pages of the server's own origin may call, and those of listed origins.
    pub fn new(public_url: Option<&str>, hosts: &[String], origins: &[String]) -> Self {
        let public = public_url
            .and_then(|url| Url::parse(url).ok())
            .and_then(|url| Some(url.host_str()?.to_owned()));
        let listed = hosts.iter().map(|host| host.to_ascii_lowercase());
        let loopback = LOOPBACK.iter().map(ToString::to_string);
        Self {
            hosts: loopback.chain(public).chain(listed).collect(),
            origins: origins.to_vec(),
        }
    }

    /// Also answers this host, at any port.
    pub fn with_host(mut self, host: String) -> Self {
        self.hosts.push(host.to_ascii_lowercase());
        self
    }

    fn allows_host(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let with_port = authority.as_str().to_ascii_lowercase();
        self.hosts.iter().any(|h| *h == host || *h == with_port)
    }

    /// Whether a page of this origin may call. The request's own `Host` must have
    /// been checked before: its origin is the server's.
    pub(super) fn allows_origin(
        &self,
        origin: &HeaderValue,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> bool {
        let Some(origin) = origin.to_str().ok() else {
            return false;
        };
        if self.origins.iter().any(|allowed| matches(allowed, origin)) {
            return true;
        }
        let own = authority(uri, headers);
        let theirs = origin.split_once("://").map(|(_, rest)| rest);
        own.is_some_and(|own| theirs.is_some_and(|t| t.eq_ignore_ascii_case(own.as_str())))
    }
}

fn matches(allowed: &str, origin: &str) -> bool {
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

/// HTTP/1.1 says it in `Host`, HTTP/2 in the URI.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    host.to_str().ok()?.parse().ok()
}

/// Refuses what is on no list, before anything else looks at the request.
pub(super) async fn check(
    State(policy): State<Arc<Policy>>,
    request: Request,
    next: Next,
) -> Response {
    let refuse = |status, message| json_rpc(status, INVALID_REQUEST, message, None, None);
    let Some(authority) = authority(request.uri(), request.headers()) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the request has no valid Host header",
        );
    };
    if !policy.allows_host(&authority) {
        tracing::info!(http.host = %authority, "host denied");
        return refuse(
            StatusCode::FORBIDDEN,
            "this Host is not served; the operator can list it in `server.allowed-hosts`",
        );
    }
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let allowed = match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => policy.allows_origin(origin, request.uri(), request.headers()),
        (Some(_), Some(_)) => false,
    };
    if !allowed {
        tracing::info!("origin denied");
        return refuse(
            StatusCode::FORBIDDEN,
            "this Origin is not allowed; the operator can list it in `server.allowed-origins`",
        );
    }
    next.run(request).await
}
