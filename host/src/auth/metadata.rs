//! The protected resource's metadata (RFC 9728): the document, and where it stands.

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::json;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use url::Url;

use super::scopes;
use super::settings::{GuardConfig, GuardConfigError, prefix};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// How long a client may keep the document: short, so that a changed issuer is seen soon.
const CACHE_SECONDS_MAX: u64 = 300;

/// The document and its places.
pub(super) struct Metadata {
    /// The absolute URL that challenges name.
    pub(super) url: String,
    document: Bytes,
    paths: Vec<String>,
}

impl Metadata {
    pub(super) fn new(
        settings: &GuardConfig,
        faults: &mut Vec<GuardConfigError>,
    ) -> Option<Metadata> {
        let servers = authorization_servers(settings, faults);
        let (origin, path) = split_resource(&settings.resource, faults)?;
        let mut document = json!({
            "resource": settings.resource,
            "authorization_servers": servers,
            "bearer_methods_supported": ["header"],
        });
        let advertised = scopes::advertised(&settings.required_scopes);
        if !advertised.is_empty() {
            document["scopes_supported"] = json!(advertised);
        }
        Some(Metadata {
            url: format!("{origin}{WELL_KNOWN}{path}"),
            document: Bytes::from(document.to_string()),
            paths: paths(path),
        })
    }

    /// The routes: open to all, since a client reads them to learn where a token is to be had.
    pub(super) fn router(&self) -> Router {
        let mut router = Router::new().without_v07_checks();
        for path in &self.paths {
            router = router.route(path, self.route());
        }
        router
    }

    fn route(&self) -> MethodRouter {
        let document = self.document.clone();
        let answer = move || async move {
            let headers = [
                (CONTENT_TYPE, "application/json".to_owned()),
                (
                    CACHE_CONTROL,
                    format!("public, max-age={CACHE_SECONDS_MAX}"),
                ),
            ];
            (headers, document)
        };
        let cors = CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::HEAD])
            // Not `*`, which leaves out Authorization: clients may send their token here, where it is not looked at.
            .allow_headers(AllowHeaders::mirror_request());
        // The CORS layer answers OPTIONS itself.
        get(answer).fallback(method_not_allowed).layer(cors)
    }
}

async fn method_not_allowed() -> Response {
    let body = json!({
        "error": "method_not_allowed",
        "error_description": "the metadata is read with GET",
    });
    let headers = [(ALLOW, "GET,HEAD,OPTIONS")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, axum::Json(body)).into_response()
}

/// At the path of the resource and at the root, each with and without a slash at the end.
fn paths(path: &str) -> Vec<String> {
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

/// The resource's origin and its path, as written but that a lone slash is no path.
fn split_resource<'a>(
    resource: &'a str,
    faults: &mut Vec<GuardConfigError>,
) -> Option<(&'a str, &'a str)> {
    const KEY: &str = "server.public-url";
    let url = match Url::parse(resource) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_uri_text(resource) => url,
        _ => {
            let says =
                "makes no http or https URL of the resource; give the base URL that clients use";
            faults.push(GuardConfigError::new(KEY, says));
            return None;
        }
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        let says = "has a query, a fragment or credentials; a resource identifier has none (RFC 9728 §1.2)";
        faults.push(GuardConfigError::new(KEY, says));
        return None;
    }
    let authority = resource.find("://").map_or(resource.len(), |at| at + 3);
    let path_at = resource[authority..]
        .find('/')
        .map_or(resource.len(), |at| authority + at);
    if path_at == authority {
        let says = "names no host; give the base URL that clients use";
        faults.push(GuardConfigError::new(KEY, says));
        return None;
    }
    let (origin, path) = resource.split_at(path_at);
    Some((origin, if path == "/" { "" } else { path }))
}

fn authorization_servers(
    settings: &GuardConfig,
    faults: &mut Vec<GuardConfigError>,
) -> Vec<String> {
    let is_server = |server: &str| {
        is_uri_text(server)
            && Url::parse(server).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    };
    if settings.authorization_servers.is_empty() {
        for (index, issuer) in settings.issuers.iter().enumerate() {
            // One that is missing has its own fault.
            if !issuer.issuer.is_empty() && !is_server(&issuer.issuer) {
                let says = "is no http or https URL that clients could go to; give `auth.authorization-servers`";
                faults.push(GuardConfigError::new(
                    format!("{}.issuer", prefix(index)),
                    says,
                ));
            }
        }
        return settings
            .issuers
            .iter()
            .map(|issuer| issuer.issuer.clone())
            .collect();
    }
    for server in &settings.authorization_servers {
        if !is_server(server) {
            let says = format!(
                "holds {server:?}, which is no http or https URL; give the URLs that clients go to"
            );
            faults.push(GuardConfigError::new("auth.authorization-servers", says));
        }
    }
    settings.authorization_servers.clone()
}

/// Whether these are characters that stand in a URI (RFC 3986 §2), and so in a quoted header parameter.
fn is_uri_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte))
}
