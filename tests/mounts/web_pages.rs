//! Mounts that web pages call: preflight requests (Fetch standard, section "CORS protocol"), and OPTIONS that is not one.

use reqwest::{Method, Response};

use super::{HELLO, serve};
use crate::support::server::Host;

const ORIGIN: &str = "https://app.example";
const SETTINGS: &str = "[server]\nallowed-origins = [\"https://app.example\"]";

/// Sends a request with these headers.
async fn send(host: &Host, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = reqwest::Client::new().request(method, host.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'r>(answer: &'r Response, name: &str) -> &'r str {
    let value = answer.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn pages_may_use_each_method() {
    let host = serve(HELLO, SETTINGS).await;
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        let asked = ("access-control-request-method", method);
        let headers = ("access-control-request-headers", "x-hub-signature");
        let answer = send(
            &host,
            "OPTIONS",
            "/hook/a",
            &[("origin", ORIGIN), asked, headers],
        )
        .await;
        assert_eq!(answer.status(), 200, "{method}");
        for (name, value) in [
            ("access-control-allow-origin", ORIGIN),
            ("access-control-allow-methods", method),
            ("access-control-allow-headers", "x-hub-signature"),
        ] {
            assert_eq!(header(&answer, name), value, "{method}");
        }
        assert_eq!(answer.text().await.unwrap(), "", "the guest does not run");
        let answer = send(&host, method, "/hook/a", &[("origin", ORIGIN)]).await;
        assert_eq!(answer.status(), 201, "{method}");
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN);
        assert_eq!(header(&answer, "access-control-expose-headers"), "*");
        // The bad twin.
        let headers = [("origin", "https://evil.example"), asked];
        let answer = send(&host, "OPTIONS", "/hook/a", &headers).await;
        assert_eq!(answer.status(), 403, "{method}");
        assert_eq!(header(&answer, "access-control-allow-methods"), "");
    }
    // The endpoint has methods of its own.
    let headers = [("origin", ORIGIN), ("access-control-request-method", "PUT")];
    let answer = send(&host, "OPTIONS", "/mcp", &headers).await;
    let methods = header(&answer, "access-control-allow-methods");
    assert_eq!(methods, "POST,GET,DELETE");
}

#[tokio::test]
async fn options_of_other_programs_reach_the_guest() {
    let host = serve(HELLO, "").await;
    for headers in [&[][..], &[("access-control-request-method", "PUT")]] {
        let answer = send(&host, "OPTIONS", "/hook", headers).await;
        assert_eq!(answer.status(), 201, "{headers:?}");
        assert_eq!(answer.text().await.unwrap(), "hello", "{headers:?}");
    }
}
