//! The server's own origin: that of `public-url` behind any proxy, and `Host` with the scheme that clients use.

use reqwest::Method;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::guest::Guest;
use crate::support::server::Host;

#[tokio::test]
async fn pages_of_the_own_origin_may_call() {
    const PUBLIC: Option<&str> = Some("https://tools.example.com");
    const PORT: Option<&str> = Some("https://Tools.example.com:8443/base");
    const DEFAULT_PORT: Option<&str> = Some("https://tools.example.com:443");
    const PLAIN: Option<&str> = Some("http://tools.example.com");

    for (public_url, cases) in [
        (
            PUBLIC,
            &[
                // A proxy sends its own `Host`, that of the client, or the name of the container.
                ("127.0.0.1:8080", "https://tools.example.com", true),
                ("tools.example.com", "https://tools.example.com", true),
                ("tools.example.com:443", "https://tools.example.com", true),
                ("backend:8080", "https://tools.example.com", true),
                ("backend:8080", "HTTPS://Tools.Example.Com", true),
                ("other.example", "https://other.example", true),
                // The network can serve any page over http.
                ("tools.example.com", "http://tools.example.com", false),
                ("127.0.0.1:8080", "http://tools.example.com", false),
                ("127.0.0.1:8080", "http://127.0.0.1:8080", false),
                ("other.example", "http://other.example", false),
                ("127.0.0.1:8080", "https://tools.example.com:444", false),
                ("127.0.0.1:8080", "https://tools.example.com.evil", false),
                ("127.0.0.1:8080", "https://tools.example.com/", false),
                ("127.0.0.1:8080", "tools.example.com", false),
                ("127.0.0.1:8080", "null", false),
                ("backend:8080", "https://backend:8080", false),
                ("evil.example", "https://evil.example", false),
                ("backend:8080", "", false),
            ][..],
        ),
        (
            PORT,
            &[
                ("127.0.0.1:8080", "https://tools.example.com:8443", true),
                ("127.0.0.1:8080", "https://tools.example.com", false),
                (
                    "127.0.0.1:8080",
                    "https://tools.example.com:8443/base",
                    false,
                ),
            ],
        ),
        (
            DEFAULT_PORT,
            &[("127.0.0.1:8080", "https://tools.example.com", true)],
        ),
        (
            PLAIN,
            &[
                ("127.0.0.1:8080", "http://tools.example.com", true),
                ("tools.example.com:80", "http://tools.example.com", true),
                ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
                ("tools.example.com", "https://tools.example.com", false),
            ],
        ),
        (
            None,
            &[
                ("localhost:8080", "http://localhost:8080", true),
                // A proxy may terminate TLS.
                ("other.example", "https://other.example", true),
                ("localhost:8080", "http://localhost", false),
                ("localhost:8080", "ftp://localhost:8080", false),
                ("localhost:8080", "chrome-extension://localhost:8080", false),
            ],
        ),
    ] {
        let host = Host::start(&[("guest", &Guest::saying("hello", "hello"))], |config| {
            config.server.public_url = public_url.map(str::to_owned);
            config.server.allowed_hosts = vec!["other.example".into()];
        })
        .await;
        let client = host.client();
        let call = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
        for (name, origin, is_allowed) in cases {
            let request = client.post(&call).header("host", *name);
            let answer = Answer::to(request.header("origin", *origin)).await;
            let case = format!("{public_url:?} {name} {origin}");
            let preflight = Answer::to(
                client
                    .bare(Method::OPTIONS)
                    .header("host", *name)
                    .header("origin", *origin)
                    .header("access-control-request-method", "POST"),
            )
            .await;
            if *is_allowed {
                assert_eq!(answer.text(), "hello", "{case}");
                assert_eq!(answer.header("access-control-allow-origin"), *origin);
                assert_eq!(preflight.header("access-control-allow-origin"), *origin);
            } else {
                assert_eq!(answer.status, 403, "{case}");
                assert_eq!(preflight.status, 403, "{case}");
                assert_eq!(preflight.header("access-control-allow-origin"), "");
            }
        }
        // Two origins are none, and a program behind a proxy needs an accepted `Host`.
        let twice = client.post(&call).header("host", "backend:8080");
        let twice = twice.header("origin", "https://tools.example.com");
        let twice = twice.header("origin", "https://tools.example.com");
        assert_eq!(Answer::to(twice).await.status, 403);
        let without_origin = client.post(&call).header("host", "backend:8080");
        assert_eq!(Answer::to(without_origin).await.status, 403);
    }
}
