//! The way to an issuer's keys: proxies, private authorities, private networks, and reports of failures.

use std::process::Output;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::issuer::Failure;

/// A server that records the first line of each request and answers with `respond`, or with the bytes of `upstream`
/// after a `CONNECT`.
struct Recorder {
    url: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Starts a proxy that connects every `CONNECT` to `upstream`, or refuses it.
    async fn proxy(upstream: Option<SocketAddr>) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await;
                let line = head.lines().next().unwrap_or_default().to_owned();
                recorded.lock().unwrap().push(line);
                let Some(upstream) = upstream else {
                    let refusal = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
                    let _ = stream.write_all(refusal.as_bytes()).await;
                    continue;
                };
                tokio::spawn(async move {
                    let mut upstream = TcpStream::connect(upstream).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
                });
            }
        });
        Recorder { url, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Reads up to the empty line after the headers.
async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Serves the issuer's key set over TLS for the name `keys.example`. Returns the address and the certificate.
async fn serve_keys_over_tls(issuer: &Issuer) -> (SocketAddr, String) {
    let names = ["keys.example".to_owned(), "localhost".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let acceptor = toolcrib::http::acceptor(&cert, &key).unwrap();
    let body = json!({ "keys": [issuer.first_key().jwk] }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            read_head(&mut stream).await;
            let length = body.len();
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, certified.cert.pem())
}

#[tokio::test]
async fn keys_are_fetched_through_a_proxy_and_with_a_private_authority() {
    let issuer = Issuer::start().await;
    let (address, certificate) = serve_keys_over_tls(&issuer).await;
    let proxy = Recorder::proxy(Some(address)).await;
    let proxy_url = || Some(proxy.url.parse().unwrap());
    let foreign = rcgen::generate_simple_self_signed(["keys.example".to_owned()]).unwrap();
    let through_proxy = "https://keys.example/jwks";
    let direct = format!("https://localhost:{}/jwks", address.port());
    for (name, url, proxy_url, ca, status, connects) in [
        (
            "proxy and authority",
            through_proxy,
            proxy_url(),
            Some(certificate.clone()),
            200,
            1,
        ),
        ("no authority", through_proxy, proxy_url(), None, 503, 1),
        (
            "a foreign authority",
            through_proxy,
            proxy_url(),
            Some(foreign.cert.pem()),
            503,
            1,
        ),
        (
            "several authorities",
            through_proxy,
            proxy_url(),
            Some(foreign.cert.pem() + &certificate),
            200,
            1,
        ),
        (
            "loopback without proxy",
            &direct,
            None,
            Some(certificate.clone()),
            200,
            0,
        ),
        (
            "loopback is not proxied",
            &direct,
            proxy_url(),
            Some(certificate.clone()),
            200,
            0,
        ),
    ] {
        let mut config = config(&issuer);
        config.issuers[0].keys = jwks(url);
        config.proxy = proxy_url;
        config.ca = ca;
        let before = proxy.lines().len();
        let site = Site::start(config).await;
        let answer = site.get(&issuer.token(|_| {})).await;
        assert_eq!(
            answer.status,
            status,
            "{name}: {:?}",
            site.guard.key_problems()
        );
        let lines = proxy.lines().split_off(before);
        assert_eq!(lines.len(), connects, "{name}: {lines:?}");
        let expected = "CONNECT keys.example:443 HTTP/1.1";
        assert!(
            lines.iter().all(|line| line == expected),
            "{name}: {lines:?}"
        );
    }
}

/// Runs `check` with these environment variables. It fetches the keys of `login.invalid`, which does not resolve.
async fn check(toolcrib: &Arc<Toolcrib>, variables: Vec<(&'static str, String)>) -> Output {
    let toolcrib = Arc::clone(toolcrib);
    tokio::task::spawn_blocking(move || {
        let mut command = toolcrib.command(&["check", "--config", "c.toml"]);
        command.envs(variables).output().unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_except_for_excluded_hosts() {
    let toolcrib = Arc::new(Toolcrib::new());
    toolcrib.write("guest", &Guest::saying("greet", "hello").component());
    let configuration = |network: &str| {
        format!(
            "components = [\"guest.wasm\"]\nserver.public-url = \"https://tools.example\"\n{network}\n\
             [auth]\nissuer = \"https://login.invalid\"\naudience = \"https://tools.example/mcp\"\n"
        )
    };
    let proxy = Recorder::proxy(None).await;
    let other = Recorder::proxy(None).await;
    let setting = format!("network.proxy = \"{}\"", other.url);
    for (network, variables, asked, asked_other) in [
        ("", vec![], false, false),
        ("", vec![("HTTPS_PROXY", proxy.url.clone())], true, false),
        ("", vec![("https_proxy", proxy.url.clone())], true, false),
        (
            "",
            vec![("HTTPS_PROXY", proxy.url.replace("http://", ""))],
            true,
            false,
        ),
        ("", vec![("HTTP_PROXY", proxy.url.clone())], false, false),
        (
            "",
            vec![
                ("HTTPS_PROXY", proxy.url.clone()),
                ("NO_PROXY", ".invalid".to_owned()),
            ],
            false,
            false,
        ),
        (&setting, vec![], false, true),
        (
            &setting,
            vec![("HTTPS_PROXY", proxy.url.clone())],
            false,
            true,
        ),
        (
            &setting,
            vec![("NO_PROXY", "login.invalid".to_owned())],
            false,
            false,
        ),
    ] {
        toolcrib.file("c.toml", configuration(network));
        let before = (proxy.lines().len(), other.lines().len());
        let output = check(&toolcrib, variables.clone()).await;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        let warning = "warning: the keys of the issuer https://login.invalid cannot be fetched";
        assert!(stdout.contains(warning), "{variables:?}: {stdout}");
        let lines = proxy.lines().split_off(before.0);
        assert_eq!(
            !lines.is_empty(),
            asked,
            "{network} {variables:?}: {lines:?} {stdout}"
        );
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("CONNECT login.invalid:443 ")),
            "{lines:?}"
        );
        let lines = other.lines().split_off(before.1);
        assert_eq!(
            !lines.is_empty(),
            asked_other,
            "{network} {variables:?}: {lines:?}"
        );
    }
    toolcrib.file("c.toml", configuration(""));
    let output = check(
        &toolcrib,
        vec![("HTTPS_PROXY", "socks5://127.0.0.1:1".to_owned())],
    )
    .await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("HTTPS_PROXY is not the URL of a proxy"),
        "{stderr}"
    );
}

#[tokio::test]
async fn plain_http_is_for_configured_private_networks() {
    let issuer = Issuer::start().await;
    let keys = |url: &str, private_network: bool| {
        let mut config = config(&issuer);
        config.issuers[0].keys = jwks(url);
        config.issuers[0].private_network = private_network;
        Guard::build(config)
    };
    assert!(keys("http://keys.svc/jwks", false).is_err());
    let guard = keys("http://keys.svc/jwks", true).unwrap();
    let warnings = guard.warnings();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("auth.jwks-uri is not https")),
        "{warnings:?}"
    );
    let warnings = keys("https://keys.svc/jwks", true).unwrap().warnings();
    assert!(
        !warnings.iter().any(|warning| warning.contains("jwks-uri")),
        "{warnings:?}"
    );
    // A public address is never asked over http, and the service of cloud metadata never at all.
    for (url, why) in [
        ("http://93.184.216.34/jwks", "not private"),
        ("http://169.254.169.254/jwks", "not private"),
        ("https://169.254.169.254/jwks", "private"),
    ] {
        let problems = keys(url, true).unwrap().check_keys().await;
        assert!(
            problems.len() == 1 && problems[0].contains(why),
            "{url}: {problems:?}"
        );
    }
    // The metadata of an issuer that is asked over https, or on loopback, cannot name keys that travel in clear.
    let metadata = json!({ "issuer": issuer.url(), "jwks_uri": "http://10.0.0.1/jwks" });
    issuer.serve_metadata(metadata);
    let mut config = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    let problems = Guard::build(config.clone()).unwrap().check_keys().await;
    assert!(problems[0].contains("not https"), "{problems:?}");
    config.issuers[0].issuer = "http://login.svc".to_owned();
    assert!(Guard::build(config.clone()).is_err());
    config.issuers[0].private_network = true;
    let warnings = Guard::build(config).unwrap().warnings();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("auth.issuer is not https")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn failed_fetches_are_reported_until_one_succeeds() {
    let issuer = Issuer::start().await;
    issuer.fail(Some(Failure::Status(500)));
    let site = Site::start(config(&issuer)).await;
    // The first report starts the fetch, the next ones have its outcome.
    assert_eq!(site.guard.key_problems(), Vec::<String>::new());
    wait_until(|| !site.guard.key_problems().is_empty()).await;
    let problems = site.guard.key_problems();
    assert!(
        problems[0].contains(issuer.url()) && problems[0].contains("500"),
        "{problems:?}"
    );
    assert!(problems[0].contains("503"), "{problems:?}");
    assert_eq!(
        issuer.jwks_fetches(),
        1,
        "the delay after a failure is kept"
    );
    issuer.fail(None);
    site.clock.advance(Duration::from_secs(30));
    site.guard.key_problems();
    wait_until(|| site.guard.key_problems().is_empty()).await;
    assert_eq!(issuer.jwks_fetches(), 2);
    site.guard.key_problems();
    assert_eq!(issuer.jwks_fetches(), 2, "known keys are not fetched again");
    // Keys in the configuration are never a problem.
    let mut config = config(&issuer);
    config.issuers[0].keys = KeySource::PublicKey(issuer.first_key().public_pem);
    assert_eq!(
        Guard::build(config).unwrap().check_keys().await,
        Vec::<String>::new()
    );
}
