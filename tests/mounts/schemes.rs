//! The scheme that a mounted component sees: that of the URLs by which clients reach the server.

use reqwest::{Certificate, ClientBuilder};

use super::{handler, serve};
use crate::support::http2::Http2;
use crate::support::server::{Host, write};
use crate::tls::self_signed;

/// Answers with the status 201 for `http` and 200 for `https`.
const SCHEME: &str = "
    (call $scheme (local.get $request) (i32.const 40))
    (local.set $stream (call $start (local.get $outparam)
      (i32.sub (i32.const 201) (i32.load8_u (i32.const 44)))))
    (call $end (local.get $stream))";

#[tokio::test]
async fn the_scheme_is_that_of_the_public_url() {
    for (settings, status) in [
        ("", 201),
        ("[server]\npublic-url = \"http://tools.example\"", 201),
        // A proxy terminates TLS.
        ("[server]\npublic-url = \"https://tools.example\"", 200),
    ] {
        let host = serve(SCHEME, settings).await;
        let answer = reqwest::get(host.url("/hook?x=y")).await.unwrap();
        assert_eq!(answer.status(), status, "{settings}");
        // A request of HTTP/2 has the scheme of the connection to the proxy.
        let mut connection = Http2::connect(host.address(), 10_000).await;
        let stream = connection.request("GET", "/hook", &[], &[]).await;
        assert_eq!(connection.is_ok(stream).await, status == 200, "{settings}");
    }
}

#[tokio::test]
async fn the_scheme_is_https_behind_the_own_tls() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "hook", &handler(SCHEME));
    let (cert, key) = self_signed();
    let file = |name: &str| dir.path().join(name);
    std::fs::write(file("cert.pem"), &cert).unwrap();
    std::fs::write(file("key.pem"), key).unwrap();
    let text = "[server]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }\n\
                [[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"";
    let host = Host::configured_in(dir, text).await;
    let root = Certificate::from_pem(cert.as_bytes()).unwrap();
    let client = ClientBuilder::new().no_proxy().tls_certs_only([root]);
    let url = format!("https://{}/hook", host.address());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
