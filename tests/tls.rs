//! With `[server.tls]` the host serves HTTPS by itself.

use rcgen::CertifiedKey;
use reqwest::{Certificate, ClientBuilder};
use toolcrib::config::{Config, TlsConfig};

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::server::Host;

/// A certificate for loopback and its key, both as PEM.
fn certified() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[tokio::test]
async fn https() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certified();
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
    let trusting = || {
        let root = Certificate::from_pem(cert.as_bytes()).unwrap();
        ClientBuilder::new().no_proxy().tls_certs_only([root])
    };
    let url = format!("https://{}/healthz", host.address());
    let response = trusting().build().unwrap().get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    // Who does not know the certificate, and who speaks plain HTTP, gets nothing.
    let stranger = ClientBuilder::new().no_proxy().build().unwrap();
    assert!(stranger.get(&url).send().await.is_err());
    let plain = url.replace("https", "http");
    assert!(trusting().build().unwrap().get(plain).send().await.is_err());
}

#[test]
fn faults() {
    let toolcrib = Toolcrib::new();
    let component = toolcrib.write("guest", &Guest::saying("greet", "hello").component());
    let ((cert, key), (_, other)) = (certified(), certified());
    toolcrib.file("cert.pem", cert).file("key.pem", key);
    toolcrib
        .file("other.pem", other)
        .file("empty.pem", "nothing\n");
    for (tls, says) in [
        ("cert = \"cert.pem\"\nkey = \"key.pem\"", None),
        (
            "cert = \"nowhere.pem\"\nkey = \"key.pem\"",
            Some("nowhere.pem"),
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
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml", &component]);
        assert_eq!(
            ended.status,
            if says.is_some() { 2 } else { 0 },
            "{tls}: {ended:?}"
        );
        assert_eq!(
            ended.stderr.lines().count(),
            usize::from(says.is_some()),
            "{ended:?}"
        );
        assert!(
            ended.stderr.contains(says.unwrap_or_default()),
            "{tls}: {ended:?}"
        );
    }
}
