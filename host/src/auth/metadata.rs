//! The protected resource metadata (RFC 9728): its content and its routes, and a redirect for older clients.

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use url::Url;

use super::config::{GuardConfig, GuardConfigError};
use super::fetch::metadata_urls;
use super::scopes;
use super::trusted::TrustedIssuer;
use crate::json;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The well-known path of authorization server metadata (RFC 8414).
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

const RESOURCE_KEY: &str = "server.public-url";
const METADATA_URL_KEY: &str = "server.metadata-url";

/// How long clients may cache the metadata; short, so that a changed issuer takes effect soon.
const MAX_AGE_SECONDS: u64 = 300;

/// The protected resource metadata and the paths that serve it.
pub(super) struct ResourceMetadata {
    /// The absolute URL that challenges name.
    pub(super) url: String,
    body: Bytes,
    paths: Vec<String>,
    /// The authorization servers that the metadata names.
    pub(super) authorization_servers: Vec<String>,
    /// The metadata URL of the first authorization server.
    authorization_server: Option<HeaderValue>,
}

impl ResourceMetadata {
    /// Builds the metadata, or returns `None` after reporting an error that prevents it.
    pub(super) fn new(
        config: &GuardConfig,
        issuers: &[TrustedIssuer],
        errors: &mut Vec<GuardConfigError>,
    ) -> Option<ResourceMetadata> {
        let servers = authorization_servers(config, issuers, errors);
        let (origin, path) = split_url(RESOURCE_KEY, &config.resource, errors)?;
        let mut paths = route_paths(path);
        let url = match &config.metadata_url {
            None => format!("{origin}{WELL_KNOWN}{path}"),
            Some(url) => {
                let (_, path) = split_url(METADATA_URL_KEY, url, errors)?;
                if !path.contains(WELL_KNOWN) {
                    let message = format!(
                        "has no `{WELL_KNOWN}` in its path; give the URL under which clients reach it"
                    );
                    errors.push(GuardConfigError::new(METADATA_URL_KEY, message));
                    return None;
                }
                // A proxy may or may not strip the prefix of the path.
                if !paths.iter().any(|known| known == path) {
                    paths.push(path.to_owned());
                }
                url.clone()
            }
        };
        let mut body = json!({
            "resource": config.resource,
            "authorization_servers": servers,
            "bearer_methods_supported": ["header"],
        });
        let advertised = scopes::advertisable(&config.required_scopes);
        if !advertised.is_empty() {
            body["scopes_supported"] = json!(advertised);
        }
        Some(ResourceMetadata {
            url,
            body: Bytes::from(body.to_string()),
            paths,
            authorization_server: servers
                .first()
                .and_then(|server| Url::parse(server).ok())
                .and_then(|server| metadata_urls(&server).into_iter().next())
                .and_then(|url| HeaderValue::from_str(url.as_str()).ok()),
            authorization_servers: servers,
        })
    }

    /// Returns the routes. They need no token, because clients read the metadata to learn where to get one.
    pub(super) fn router(&self) -> Router {
        let mut router = Router::new().without_v07_checks();
        for path in &self.paths {
            router = router.route(path, self.route());
        }
        router
    }

    /// Returns a route that redirects to the metadata of the first authorization server. Clients of MCP 2025-03-26 look
    /// for it at the resource's own origin.
    pub(super) fn authorization_server_router(&self) -> Router {
        let Some(location) = self.authorization_server.clone() else {
            return Router::new();
        };
        let redirect = move || async move {
            let cache_control = HeaderValue::from_static("public, max-age=300");
            let headers = [(LOCATION, location), (CACHE_CONTROL, cache_control)];
            (StatusCode::TEMPORARY_REDIRECT, headers)
        };
        Router::new().route(AUTHORIZATION_SERVER, public_route(redirect))
    }

    /// Serves the metadata at one path.
    fn route(&self) -> MethodRouter {
        let body = self.body.clone();
        let respond = move || async move {
            let headers = [
                (CONTENT_TYPE, "application/json".to_owned()),
                (CACHE_CONTROL, format!("public, max-age={MAX_AGE_SECONDS}")),
            ];
            (headers, body)
        };
        public_route(respond)
    }
}

/// Returns a route for GET and HEAD that is open to every origin.
fn public_route<H: Handler<T, ()>, T: 'static>(handler: H) -> MethodRouter {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        // Not `*`, which does not cover `Authorization`: some clients send a token here, where it is ignored.
        .allow_headers(AllowHeaders::mirror_request());
    // The CORS layer answers OPTIONS requests itself.
    get(handler).fallback(method_not_allowed).layer(cors)
}

async fn method_not_allowed() -> Response {
    let body = json!({
        "error": "method_not_allowed",
        "error_description": "the metadata is read with GET",
    });
    let headers = [(ALLOW, "GET,HEAD,OPTIONS")];
    (
        headers,
        json::response(StatusCode::METHOD_NOT_ALLOWED, &body),
    )
        .into_response()
}

/// Returns the well-known paths for the resource's path and for the root, each with and without a trailing slash.
fn route_paths(path: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for path in ["", path] {
        let bare = format!("{WELL_KNOWN}{}", path.trim_end_matches('/'));
        for path in [format!("{bare}/"), bare] {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// Splits the URL of the resource or its metadata into origin and path, as written, except that a path of `/` becomes
/// empty.
fn split_url<'a>(
    key: &'static str,
    url_text: &'a str,
    errors: &mut Vec<GuardConfigError>,
) -> Option<(&'a str, &'a str)> {
    let url = match Url::parse(url_text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_uri_text(url_text) => url,
        _ => {
            let message = "makes no http or https URL; give the URL that clients use";
            errors.push(GuardConfigError::new(key, message));
            return None;
        }
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        let message = "has a query, a fragment or credentials; remove them (RFC 9728 §1.2)";
        errors.push(GuardConfigError::new(key, message));
        return None;
    }
    let authority = url_text.find("://").map_or(url_text.len(), |at| at + 3);
    let path_at = url_text[authority..]
        .find('/')
        .map_or(url_text.len(), |at| authority + at);
    if path_at == authority {
        let message = "names no host; give the URL that clients use";
        errors.push(GuardConfigError::new(key, message));
        return None;
    }
    let (origin, path) = url_text.split_at(path_at);
    Some((origin, if path == "/" { "" } else { path }))
}

/// Returns the authorization servers to advertise: the configured ones, or else the issuers.
fn authorization_servers(
    config: &GuardConfig,
    issuers: &[TrustedIssuer],
    errors: &mut Vec<GuardConfigError>,
) -> Vec<String> {
    let is_server = |server: &str| {
        is_uri_text(server)
            && Url::parse(server).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    };
    if config.authorization_servers.is_empty() {
        for issuer in issuers {
            // An empty issuer is reported by its own validation.
            if !issuer.config.issuer.is_empty() && !is_server(&issuer.config.issuer) {
                let message = "is no http or https URL that clients could go to; give `auth.authorization-servers`";
                errors.push(GuardConfigError::new(
                    format!("{}.issuer", issuer.prefix),
                    message,
                ));
            }
        }
        return issuers
            .iter()
            .map(|issuer| issuer.config.issuer.clone())
            .collect();
    }
    for server in &config.authorization_servers {
        if !is_server(server) {
            let message = format!(
                "holds {server:?}, which is no http or https URL; give the URLs that clients go to"
            );
            errors.push(GuardConfigError::new("auth.authorization-servers", message));
        }
    }
    config.authorization_servers.clone()
}

/// Returns whether all characters are allowed in a URI (RFC 3986 §2), and so in a quoted header parameter.
fn is_uri_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte))
}
