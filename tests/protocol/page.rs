//! The page: browsers get it at `/` where it is on, with headers that confine it; other clients get what they always got.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toolcrib::config::{Listen, ServerConfig};

use crate::support::client::Answer;
use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// The `Accept` of Chromium and Firefox.
const BROWSERS: [&str; 2] = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
];
const OTHERS: [&str; 6] = [
    "*/*",
    "text/*",
    "application/json",
    "application/json, text/event-stream",
    "text/event-stream",
    "text/html;q=0, */*",
];

async fn hello(server: &str) -> Host {
    let text = format!("components = [\"guest.wasm\"]\n{server}");
    Host::configured(&[("guest", &Guest::saying("hello", "hello"))], &text).await
}

async fn get(host: &Host, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = host.client();
    let mut request = client.http.get(host.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        messages: Vec::new(),
        body: response.text().await.unwrap(),
    }
}

/// Returns the settings that the page gets.
fn settings(page: &Answer) -> Value {
    let (_, rest) = page
        .body
        .split_once("name=\"toolcrib\" content=\"")
        .unwrap();
    let (text, _) = rest.split_once('"').unwrap();
    serde_json::from_str(
        &text
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
    .unwrap()
}

/// Returns a directive of the content security policy.
fn directive<'a>(page: &'a Answer, name: &str) -> &'a str {
    let mut directives = page.header("content-security-policy").split("; ");
    let found = directives.find_map(|text| text.strip_prefix(&format!("{name} ")));
    found.unwrap_or_else(|| panic!("no {name} in {:?}", page.headers))
}

/// Returns the source expression of the element between these texts.
fn hash_of(page: &Answer, start: &str, end: &str) -> String {
    let (_, rest) = page.body.split_once(start).unwrap();
    let (content, rest) = rest.split_once(end).unwrap();
    assert!(!rest.contains(start), "two of {start}");
    format!("'sha256-{}'", BASE64.encode(Sha256::digest(content)))
}

#[tokio::test]
async fn a_browser_gets_a_page_that_can_reach_nothing_else() {
    let host = hello("").await;
    for accept in BROWSERS {
        let page = get(&host, "/", &[("accept", accept)]).await;
        assert_eq!(page.status, 200, "{accept}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("vary", "accept"),
        ] {
            assert_eq!(page.header(name), value, "{name}");
        }
        for (name, value) in [
            ("default-src", "'none'"),
            ("connect-src", "'self'"),
            ("img-src", "data: blob:"),
            ("media-src", "data: blob:"),
            ("base-uri", "'none'"),
            ("form-action", "'none'"),
            ("frame-ancestors", "'none'"),
            ("require-trusted-types-for", "'script'"),
            ("trusted-types", "'none'"),
        ] {
            assert_eq!(directive(&page, name), value, "{name}");
        }
        let script = hash_of(&page, "<script type=\"module\">", "</script>");
        assert_eq!(directive(&page, "script-src"), script);
        let style = hash_of(&page, "<style>", "</style>");
        assert_eq!(directive(&page, "style-src"), style);
        // Everything is in the document.
        let (_, style) = page.body.split_once("<style>").unwrap();
        let (style, rest) = style.split_once("</style>").unwrap();
        assert!(!style.contains("@import") && !style.contains("url("));
        assert!(!rest.contains("<script src") && !page.body.contains("rel=\"stylesheet\""));
        let expected = json!({ "path": "/mcp", "url": null, "auth": false, "clientId": null });
        assert_eq!(settings(&page), expected);
    }
}

#[tokio::test]
async fn other_clients_and_other_paths_are_answered_as_without_a_page() {
    let (with, without) = (hello("").await, hello("[server]\npage = false").await);
    let browser = [("accept", BROWSERS[0])];
    for (path, headers) in OTHERS
        .iter()
        .map(|accept| ("/", vec![("accept", *accept)]))
        .chain([
            ("/", vec![]),
            ("/mcp", browser.to_vec()),
            ("/index.html", browser.to_vec()),
            ("/healthz", browser.to_vec()),
        ])
    {
        let [page, none] = [
            get(&with, path, &headers).await,
            get(&without, path, &headers).await,
        ];
        assert_ne!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(
            (page.status, &page.body),
            (none.status, &none.body),
            "{path} {headers:?}"
        );
        if path == "/" {
            assert_eq!(page.status, 404, "{headers:?}");
        }
    }
    let none = get(&without, "/", &browser).await;
    assert_eq!(none.status, 404);
    assert_eq!(none.header("content-type"), "application/json");
    for method in [Method::POST, Method::OPTIONS, Method::DELETE] {
        let request = with.client().http.request(method, with.url("/"));
        let response = request.header("accept", BROWSERS[0]).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_endpoint_at_the_root_shares_its_path_with_the_page() {
    let host = hello("[server]\npath = \"/\"").await;
    let page = get(&host, "/", &[("accept", BROWSERS[0])]).await;
    assert_eq!(page.status, 200);
    assert_eq!(settings(&page)["path"], "/");
    let answer = host.client().call("hello", json!({})).await;
    assert_eq!(answer.text(), "hello");
    for accept in OTHERS {
        let answer = get(&host, "/", &[("accept", accept)]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{accept}");
    }
}

#[tokio::test]
async fn the_page_is_off_where_others_reach_the_server_unless_it_is_configured() {
    for (listen, public_url, page, is_served) in [
        ("127.0.0.1:80", None, None, true),
        ("[::1]:80", None, None, true),
        ("localhost:80", None, None, true),
        ("127.0.0.1:80", None, Some(false), false),
        ("127.0.0.1:80", Some("http://localhost:80"), None, true),
        ("127.0.0.1:80", Some("http://127.0.0.1:80"), None, true),
        ("127.0.0.1:80", Some("http://[::1]:80"), None, true),
        // A proxy of the same machine.
        ("127.0.0.1:80", Some("https://tools.example"), None, false),
        (
            "127.0.0.1:80",
            Some("https://localhost.example"),
            None,
            false,
        ),
        (
            "127.0.0.1:80",
            Some("https://tools.example"),
            Some(true),
            true,
        ),
        ("unix:/run/a.sock", None, None, false),
        ("unix:/run/a.sock", None, Some(true), true),
        ("0.0.0.0:80", None, None, false),
        ("192.0.2.1:80", None, None, false),
        ("0.0.0.0:80", None, Some(true), true),
        ("[::]:80", Some("http://localhost:80"), None, false),
    ] {
        let server = ServerConfig {
            listen: Listen::parse(listen, "".as_ref()).unwrap(),
            public_url: public_url.map(str::to_owned),
            page,
            ..ServerConfig::default()
        };
        assert_eq!(
            server.serves_page(),
            is_served,
            "{listen} {public_url:?} {page:?}"
        );
    }
}

#[tokio::test]
async fn the_page_is_served_under_the_names_of_the_server_only() {
    let host = hello("[server]\nallowed-hosts = [\"tools.internal\"]").await;
    for (name, status) in [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("tools.internal", 200),
        ("evil.example", 403),
        ("", 400),
    ] {
        let page = get(&host, "/", &[("accept", BROWSERS[0]), ("host", name)]).await;
        assert_eq!(page.status, status, "{name}");
        assert_eq!(page.body.contains("<script"), status == 200, "{name}");
    }
}

#[tokio::test]
async fn a_page_that_signs_in_may_reach_the_authorization_server_alone() {
    let issuer = Issuer::start().await;
    let origin = issuer.url();
    let auth = format!("[auth]\nissuer = \"{origin}\"\naudience = \"{AUDIENCE}\"");
    for (server, connect, settings_of_page) in [
        (
            "page = true\npublic-url = \"https://tools.example/base\"\npage-client-id = \"a\\\"><script>\"",
            format!("'self' {origin}"),
            json!({
                "path": "/mcp", "url": "https://tools.example/base/mcp", "auth": true, "clientId": "a\"><script>",
            }),
        ),
        (
            "page = true",
            "'self'".to_owned(),
            json!({ "path": "/mcp", "url": null, "auth": true, "clientId": null }),
        ),
    ] {
        let host = hello(&format!("[server]\n{server}\n{auth}")).await;
        let page = get(&host, "/", &[("accept", BROWSERS[0])]).await;
        assert_eq!(page.status, 200);
        assert_eq!(directive(&page, "connect-src"), connect);
        assert_eq!(settings(&page), settings_of_page);
        assert_eq!(page.body.matches("<script").count(), 1);
        // The page itself is no way around the guard.
        let refused = host.client().call("hello", json!({})).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    // Without authentication nobody signs in.
    let host = hello("[server]\npage-client-id = \"a\"").await;
    let page = get(&host, "/", &[("accept", BROWSERS[0])]).await;
    assert_eq!(directive(&page, "connect-src"), "'self'");
    assert_eq!(settings(&page)["clientId"], Value::Null);
}

#[tokio::test]
async fn the_head_of_the_page_is_that_of_its_response() {
    let host = hello("").await;
    let page = get(&host, "/", &[("accept", "text/html")]).await;
    let request = host.client().http.head(host.url("/"));
    let head = request.header("accept", "text/html").send().await.unwrap();
    assert_eq!(head.status(), page.status);
    for name in ["content-type", "content-security-policy", "content-length"] {
        assert_eq!(head.headers().get(name), page.headers.get(name), "{name}");
    }
    assert_eq!(head.bytes().await.unwrap().len(), 0);
}
