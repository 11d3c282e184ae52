//! HTTPS with `[server.tls]`.

use std::process::Command;

use rcgen::CertifiedKey;
use reqwest::{Certificate, ClientBuilder};
use serde_json::json;
use toolcrib::config::{Config, TlsConfig};

use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::server::Host;

/// Returns a self-signed certificate for loopback and its key, both as PEM.
pub(crate) fn self_signed() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[tokio::test]
async fn https_is_served_with_the_configured_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = self_signed();
    let tls = TlsConfig {
        cert: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
    };
    std::fs::write(&tls.cert, &cert).unwrap();
    std::fs::write(&tls.key, key).unwrap();
    let host = Host::start(
        &[("guest", &Guest::saying("greet", "hello"))],
        |config: &mut Config| {
            config.server.tls = Some(tls);
        },
    )
    .await;
    let trusting_client = || {
        let root = Certificate::from_pem(cert.as_bytes()).unwrap();
        ClientBuilder::new().no_proxy().tls_certs_only([root])
    };
    let url = format!("https://{}/healthz", host.address());
    let response = trusting_client()
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    // A page that was loaded over http is not one of the server.
    for (scheme, status) in [("https", 200), ("http", 403)] {
        let client = Client {
            http: trusting_client().build().unwrap(),
            ..Client::new(&url.replace("healthz", "mcp"), Revision::July2026)
        };
        let call = client.message("tools/call", json!({ "name": "greet", "arguments": {} }));
        let origin = format!("{scheme}://{}", host.address());
        let answer = Answer::to(client.post(&call).header("origin", origin)).await;
        assert_eq!(answer.status, status, "{scheme}");
    }
    // A client that does not trust the certificate fails, and so does plain HTTP.
    let untrusting_client = ClientBuilder::new().no_proxy().build().unwrap();
    assert!(untrusting_client.get(&url).send().await.is_err());
    let plain = url.replace("https", "http");
    assert!(
        trusting_client()
            .build()
            .unwrap()
            .get(plain)
            .send()
            .await
            .is_err()
    );
}

#[test]
fn unusable_certificates_and_keys_are_rejected() {
    let toolcrib = Toolcrib::new();
    let component = toolcrib.write("guest", &Guest::saying("greet", "hello").component());
    let ((cert, key), (_, other)) = (self_signed(), self_signed());
    toolcrib.file("cert.pem", cert).file("key.pem", key);
    toolcrib
        .file("other.pem", other)
        .file("empty.pem", "nothing\n");
    let pipe = toolcrib.path().join("pipe");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    for (tls, error) in [
        ("cert = \"cert.pem\"\nkey = \"key.pem\"", None),
        (
            "cert = \"nowhere.pem\"\nkey = \"key.pem\"",
            Some("nowhere.pem"),
        ),
        // A pipe may never have a writer.
        (
            "cert = \"pipe\"\nkey = \"key.pem\"",
            Some("it is not a regular file"),
        ),
        (
            "cert = \"cert.pem\"\nkey = \"nowhere.pem\"",
            Some("`server.tls.key`"),
        ),
        (
            "cert = \"empty.pem\"\nkey = \"key.pem\"",
            Some("has no certificate"),
        ),
        (
            "cert = \"cert.pem\"\nkey = \"empty.pem\"",
            Some("`server.tls.key`"),
        ),
        (
            "cert = \"cert.pem\"\nkey = \"other.pem\"",
            Some("cannot be used together"),
        ),
        ("cert = \"cert.pem\"", Some("`server.tls.key` is missing")),
        (
            "cert = 1\nkey = \"key.pem\"",
            Some("`server.tls.cert` must be"),
        ),
    ] {
        toolcrib.file("c.toml", format!("[server.tls]\n{tls}\n"));
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml", &component]);
        assert_eq!(
            output.status,
            if error.is_some() { 2 } else { 0 },
            "{tls}: {output:?}"
        );
        assert_eq!(
            output.stderr.lines().count(),
            usize::from(error.is_some()),
            "{output:?}"
        );
        assert!(
            output.stderr.contains(error.unwrap_or_default()),
            "{tls}: {output:?}"
        );
    }
}
