//! The page at `/`, on which a person tries the tools in a browser: one document without further requests.
//!
//! Its script and style are built from `host/page`. It is a client of the MCP endpoint like any other and has no rights of
//! its own, so it needs no token. It is answered beside the endpoint, whose requests do not pass here.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::accept::names_html;
use super::origin::{self, Policy};
use crate::auth::Guard;

const SCRIPT: &str = include_str!("../../page/dist/page.js");
const STYLE: &str = include_str!("../../page/dist/page.css");

/// The path of the page.
const PATH: &str = "/";

/// The settings of the page.
pub struct PageSettings {
    /// The configured URL of the MCP endpoint; `None` if clients use the address at which they found the page.
    pub url: Option<String>,
    /// The id of the public OAuth client with which the page signs its user in.
    pub client_id: Option<String>,
}

/// The page with its headers.
pub(super) struct Page {
    document: Bytes,
    content_security_policy: HeaderValue,
}

impl Page {
    /// Builds the page of an MCP endpoint at this path.
    pub(super) fn new(settings: PageSettings, path: &str, guard: Option<&Guard>) -> Self {
        let client_id = settings.client_id.filter(|_| guard.is_some());
        let sign_in_origin = guard
            .filter(|_| client_id.is_some())
            .and_then(|guard| guard.authorization_servers().first())
            .and_then(|server| Url::parse(server).ok())
            .map(|server| server.origin().ascii_serialization());
        let settings = json!({
            "path": path,
            "url": settings.url,
            "auth": guard.is_some(),
            "clientId": client_id,
        });
        Self {
            document: document(&settings.to_string()).into(),
            content_security_policy: content_security_policy(sign_in_origin.as_deref()),
        }
    }

    /// Returns the page if a browser asks for it, and a rejection if it does so by a name that is not this server's.
    pub(super) fn answer(&self, policy: &Policy, head: &Parts) -> Option<Response> {
        // The body of the response to HEAD is left out where it is sent.
        let is_read = matches!(head.method, Method::GET | Method::HEAD);
        if !is_read || head.uri.path() != PATH || !names_html(&head.headers) {
            return None;
        }
        if let Err(rejected) = origin::check(policy, head) {
            return Some(*rejected);
        }
        let mut response = Response::new(Body::from(self.document.clone()));
        let headers = response.headers_mut();
        let policy = self.content_security_policy.clone();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }
}

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

fn document(settings: &str) -> String {
    let settings = escape_attribute(settings);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="toolcrib" content="{settings}">
<title>Tools</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<div id="page"><noscript>This page needs JavaScript. MCP clients do not need this page.</noscript></div>
<script type="module">{SCRIPT}</script>
</body>
</html>
"#
    )
}

/// Allows the script and the style of the document, requests to this server and to `sign_in_origin`, and nothing else.
fn content_security_policy(sign_in_origin: Option<&str>) -> HeaderValue {
    let hash = |text: &str| BASE64.encode(Sha256::digest(text));
    let connect = sign_in_origin.map_or(String::new(), |origin| format!(" {origin}"));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data: blob:; media-src data: blob:; \
         connect-src 'self'{connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE),
    );
    // An origin is ASCII without control characters, like the rest.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Escapes the value of a quoted HTML attribute.
fn escape_attribute(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stay_in_their_attribute() {
        let hostile = r#"{"url":"\"><script>alert(1)</script>&amp;"}"#;
        let document = document(hostile);
        assert_eq!(document.matches("<script").count(), 1);
        assert!(document.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"));
    }

    #[test]
    fn script_and_style_do_not_end_early() {
        for text in [SCRIPT, STYLE] {
            let lower = text.to_ascii_lowercase();
            for tag in ["</script", "<script", "</style"] {
                assert!(!lower.contains(tag), "{tag}");
            }
            // A parser of HTML replaces these, and the hash would differ.
            assert!(!text.contains(['\r', '\0']));
        }
    }
}
