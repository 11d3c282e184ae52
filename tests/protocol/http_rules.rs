//! HTTP: paths, methods, media types, body size, `Host` and `Origin`, CORS, health checks.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

fn hello() -> Guest {
    Guest::saying("hello", "hello")
}

/// A valid call, to which tests add other headers.
fn call(client: &Client) -> reqwest::RequestBuilder {
    let params = json!({ "name": "hello", "arguments": {} });
    client.post(&client.message("tools/call", params))
}

#[tokio::test]
async fn only_the_configured_path_is_served() {
    let host = Host::of(&hello()).await;
    for (path, is_served) in [
        ("/mcp", true),
        ("/mcp/", true),
        ("/", false),
        ("/mcp/x", false),
        ("/mcp//", false),
        ("/MCP", false),
        ("/admin", false),
        ("/metrics", false),
    ] {
        let client = Client::new(&host.url(path), Revision::July2026);
        let answer = Answer::to(call(&client)).await;
        if is_served {
            assert_eq!(answer.text(), "hello", "{path}");
        } else {
            assert_eq!(answer.status, 404, "{path}");
        }
    }
    // A query is ignored.
    let client = Client::new(&host.url("/mcp?x=1"), Revision::July2026);
    assert_eq!(Answer::to(call(&client)).await.text(), "hello");

    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.path = "/a/b".into()
    })
    .await;
    assert_eq!(host.client().call("hello", json!({})).await.text(), "hello");
    let client = Client::new(&host.url("/mcp"), Revision::July2026);
    assert_eq!(Answer::to(call(&client)).await.status, 404);

    // The root beside the paths of the host itself.
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.path = "/".into();
    })
    .await;
    for (path, status) in [("", 200), ("/", 200), ("//", 404), ("/mcp", 404)] {
        let client = Client::new(&host.url(path), Revision::July2026);
        assert_eq!(Answer::to(call(&client)).await.status, status, "{path:?}");
    }
    for path in ["/healthz", "/readyz"] {
        let answer = Answer::to(host.client().http.get(host.url(path))).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn other_methods_than_post_are_answered_405() {
    let host = Host::of(&hello()).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = Answer::to(host.client().bare(method.clone())).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
        assert!(answer.message().len() > 10, "{answer:?}");
    }
    let head = host.client().bare(Method::HEAD).send().await.unwrap();
    assert_eq!(head.status(), 405);
}

#[tokio::test]
async fn requests_need_matching_content_type_and_accept_headers() {
    let host = Host::of(&hello()).await;
    let client = host.client();
    let send = async |content_type: Option<&str>, accept: Option<&str>| {
        let params = json!({ "name": "hello", "arguments": {} });
        let message = client.message("tools/call", params);
        let mut request = client
            .bare(Method::POST)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "hello");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        Answer::to(request.body(message.to_string())).await
    };
    let both = Some("application/json, text/event-stream");
    let json_only = Some("application/json");
    for (content_type, accept, status) in [
        (json_only, both, 200),
        (Some("application/json; charset=utf-8"), both, 200),
        (Some("Application/JSON"), both, 200),
        (
            json_only,
            Some("text/event-stream,application/json;q=0.5"),
            200,
        ),
        (None, both, 415),
        (Some("text/plain"), both, 415),
        (Some("application/x-www-form-urlencoded"), both, 415),
        (Some("application/jsonp"), both, 415),
        (json_only, json_only, 200),
        (json_only, Some("text/html"), 406),
    ] {
        let answer = send(content_type, accept).await;
        assert_eq!(answer.status, status, "{content_type:?} {accept:?}");
        if status == 200 {
            assert_eq!(answer.text(), "hello");
        } else {
            // Clients look for a JSON-RPC error in the body before they fall back to an older revision.
            assert!(answer.message().len() > 10, "{answer:?}");
        }
    }
}

/// Sends each body with a content length and in chunks.
#[tokio::test]
async fn bodies_above_the_limit_are_answered_413() {
    const MAX_BYTES: usize = 10_000;
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.max_body_bytes = MAX_BYTES;
    })
    .await;
    let client = host.client();
    let body_of = |bytes: usize| {
        let message = |filler: &str| {
            let arguments = json!({ "filler": filler });
            let params = json!({ "name": "hello", "arguments": arguments });
            client.message("tools/call", params).to_string()
        };
        let filler = "x".repeat(bytes - message("").len());
        message(&filler)
    };
    for (bytes, status) in [
        (MAX_BYTES, 200),
        (MAX_BYTES + 1, 413),
        (20 * MAX_BYTES, 413),
    ] {
        let body = body_of(bytes);
        assert_eq!(body.len(), bytes);
        let answer = Answer::to(call(&client).body(body.clone())).await;
        assert_eq!(answer.status, status, "{bytes} bytes");
        let chunks = futures::stream::iter(
            body.as_bytes()
                .chunks(1_000)
                .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                .collect::<Vec<_>>(),
        );
        let answer = Answer::to(call(&client).body(reqwest::Body::wrap_stream(chunks))).await;
        assert_eq!(answer.status, status, "{bytes} bytes in chunks");
        if status == 413 {
            assert!(answer.message().contains("10000 bytes"), "{answer:?}");
        }
    }
}

/// The check protects against DNS rebinding.
#[tokio::test]
async fn requests_with_an_unknown_host_header_are_refused() {
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.public_url = Some("https://Tools.example.com:8443/base".into());
        config.server.allowed_hosts = vec!["other.example".into(), "ported.example:81".into()];
    })
    .await;
    for (name, is_allowed) in [
        ("127.0.0.1", true),
        ("127.0.0.1:1", true),
        ("localhost", true),
        ("LOCALHOST:8080", true),
        ("[::1]:5", true),
        ("tools.example.com", true),
        ("tools.example.com:443", true),
        ("TOOLS.example.com", true),
        ("other.example", true),
        ("other.example:99", true),
        ("ported.example:81", true),
        ("ported.example", false),
        ("ported.example:82", false),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("evil-localhost", false),
        ("tools.example.com.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("127.0.0.2", false),
        ("0.0.0.0", false),
    ] {
        let answer = Answer::to(call(&host.client()).header("host", name)).await;
        if is_allowed {
            assert_eq!(answer.text(), "hello", "{name}");
        } else {
            assert_eq!(answer.status, 403, "{name}");
            assert!(answer.message().contains("allowed-hosts"), "{answer:?}");
        }
    }
    let with_user = call(&host.client()).header("host", "evil.example@localhost");
    assert_eq!(Answer::to(with_user).await.status, 400);
}

#[tokio::test]
async fn only_own_and_configured_origins_are_allowed() {
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.allowed_origins = vec![
            "https://app.example.com".into(),
            "http://localhost:*".into(),
            "https://ports.example:8443".into(),
        ];
    })
    .await;
    let own = host.url("");
    for (origin, is_allowed) in [
        (own.as_str(), true),
        ("https://app.example.com", true),
        ("HTTPS://APP.example.com", true),
        ("http://localhost", true),
        ("http://localhost:6274", true),
        ("https://ports.example:8443", true),
        ("https://ports.example", false),
        ("https://ports.example:8444", false),
        ("http://app.example.com", false),
        ("https://app.example.com:444", false),
        ("https://app.example.com.evil.example", false),
        ("https://evil.example", false),
        ("https://localhost:6274", false),
        ("http://localhost:6274.evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://127.0.0.1", false),
        ("http://127.0.0.1:1", false),
        ("null", false),
        ("", false),
    ] {
        for revision in Revision::ALL {
            let answer = Answer::to(call(&host.client_of(revision)).header("origin", origin)).await;
            if is_allowed {
                assert_eq!(answer.text(), "hello", "{origin}");
                assert_eq!(answer.header("access-control-allow-origin"), origin);
            } else {
                assert_eq!(answer.status, 403, "{origin}");
                assert!(answer.message().contains("allowed-origins"), "{answer:?}");
                assert_eq!(answer.header("access-control-allow-origin"), "");
            }
        }
        // The check applies to other methods as well.
        if !is_allowed {
            let answer = Answer::to(host.client().bare(Method::GET).header("origin", origin)).await;
            assert_eq!(answer.status, 403, "{origin}");
        }
    }
    let request = call(&host.client()).header("origin", own.as_str());
    let answer = Answer::to(request.header("origin", "https://evil.example")).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn allowed_origins_pass_preflight_and_can_read_the_needed_headers() {
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.allowed_origins = vec!["https://app.example.com".into()];
    })
    .await;
    let send_preflight = async |origin: &str| {
        let request = host
            .client()
            .bare(Method::OPTIONS)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,mcp-protocol-version,mcp-param-region",
            );
        Answer::to(request).await
    };
    let answer = send_preflight("https://app.example.com").await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    for header in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-param-region",
    ] {
        let allowed = answer.header("access-control-allow-headers").to_lowercase();
        assert!(allowed.contains(header), "{header}: {allowed}");
    }
    // Cookies are not allowed.
    assert_eq!(answer.header("access-control-allow-credentials"), "");

    let answer = Answer::to(call(&host.client()).header("origin", "https://app.example.com")).await;
    let exposed = answer
        .header("access-control-expose-headers")
        .to_lowercase();
    let readable = ["www-authenticate", "mcp-session-id", "retry-after"];
    assert!(
        readable.iter().all(|name| exposed.contains(name)),
        "{exposed}"
    );

    let answer = send_preflight("https://evil.example").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn health_checks_answer_200() {
    let host = Host::of(&hello()).await;
    let client = host.client().http;
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = Answer::to(client.get(host.url(path))).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, body));
        assert_eq!(answer.header("content-length"), body.len().to_string());
    }
}

/// Streams carry the headers that keep proxies from buffering them.
#[tokio::test]
async fn only_responses_with_notifications_are_event_streams() {
    let mut guest = Guest::new();
    let done = guest.string("done");
    guest.tool(
        Tool::new("long"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $text {done})"
        ),
    );
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let answer = host.client_of(revision).call("long", json!({})).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), length);
        let answer = host
            .client_of(revision)
            .call_with_progress("long", json!("t"))
            .await;
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("x-accel-buffering"), "no");
        assert!(
            answer.header("cache-control").contains("no-cache"),
            "{answer:?}"
        );
        assert_eq!(answer.messages.len(), 2);
        assert_ne!(answer.messages[0]["method"], Value::Null);
    }
}

/// A stream carries comments, so that proxies do not end the connection of a long call.
#[tokio::test]
async fn a_call_that_stays_silent_becomes_an_event_stream() {
    let mut guest = hello();
    let done = guest.string("done");
    guest
        .import(
            r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
               (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        )
        .tool(
            Tool::new("sleeps"),
            format!("(call $block (call $timer (i64.const 16000000000))) (call $text {done})"),
        );
    let host = Host::of(&guest).await;
    for (tool, text, is_stream) in [("hello", "hello", false), ("sleeps", "done", true)] {
        let answer = host.client().call(tool, json!({})).await;
        assert_eq!(answer.text(), text);
        assert_eq!(answer.is_stream(), is_stream, "{tool}");
        assert_eq!(answer.messages.len(), 1, "{tool}");
    }
}
