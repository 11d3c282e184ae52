//! `allow.http`: outgoing requests reach only the origins and paths of the granted entries.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::command::Toolcrib;
use crate::support::guest::http::{self, Fetch, add_http_imports, fetch, http_guest};
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::server::Host;
use crate::support::upstream::Upstream;

/// A configuration that grants the guest these entries of `http`, followed by `more_settings`.
pub(super) fn configuration(entries: &[&str], more_settings: &str) -> String {
    format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = {entries:?}\n\
         private-network = true\n{more_settings}"
    )
}

/// Sends the requests from a guest with these grants, and returns the outcomes.
pub(super) async fn send_all(
    entries: &[&str],
    more_settings: &str,
    requests: &[Fetch],
) -> Vec<String> {
    let guest = http_guest(requests);
    let text = configuration(entries, more_settings);
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let mut outcomes = Vec::new();
    for index in 0..requests.len() {
        let answer = host.client().call(&format!("t{index}"), json!({})).await;
        outcomes.push(answer.text().to_owned());
    }
    outcomes
}

/// Scheme, host, port and path must match an entry, in whichever notation the guest writes them.
#[tokio::test]
async fn requests_must_match_a_granted_entry() {
    let upstream = Upstream::start().await;
    let other = Upstream::start().await;
    let (port, other_port) = (upstream.address.port(), other.address.port());
    let at = |authority: &str, path: &str| format!("http://{authority}:{port}{path}");
    let cases = [
        (at("127.0.0.1", "/v1/x?y=z"), "200 asked /v1/x?y=z"),
        (at("127.0.0.1", "/v1/"), "200 asked /v1/"),
        (at("127.0.0.1", "/v1/a/../b"), "200 asked /v1/b"),
        (at("127.0.0.1", "/v1/a%20b"), "200 asked /v1/a%20b"),
        (at("2130706433", "/v1/decimal"), "200 asked /v1/decimal"),
        (at("0x7f.1", "/v1/hexadecimal"), "200 asked /v1/hexadecimal"),
        (at("0177.0.0.1", "/v1/octal"), "200 asked /v1/octal"),
        (at("127.0.0.1", "/v1"), http::DENIED),
        (at("127.0.0.1", "/v2/x"), http::DENIED),
        (at("127.0.0.1", "/V1/x"), http::DENIED),
        (at("127.0.0.1", "/"), http::DENIED),
        (at("127.0.0.1", "/v1/../v2"), http::DENIED),
        (at("127.0.0.1", "/v1/%2e%2e/v2"), http::DENIED),
        (at("127.0.0.1", "/v1/..%2fv2"), http::DENIED),
        (at("127.0.0.1", "/v1/%252e%252e%252fv2"), http::DENIED),
        (at("127.0.0.1", "/v1/..;/v2"), http::DENIED),
        (at("127.0.0.2", "/v1/x"), http::DENIED),
        (at("[::ffff:127.0.0.1]", "/v1/x"), http::DENIED),
        (at("localhost", "/v1/x"), http::DENIED),
        (at("user@127.0.0.1", "/v1/x"), http::BAD_URI),
        (format!("https://127.0.0.1:{port}/v1/x"), http::DENIED),
        (format!("http://127.0.0.1:{other_port}/v1/x"), http::DENIED),
        ("http://127.0.0.1/v1/x".into(), http::DENIED),
    ];
    let requests: Vec<_> = cases.iter().map(|(url, _)| Fetch::get(url)).collect();
    let entry = format!("{}/v1/", upstream.origin());
    let outcomes = send_all(&[&entry], "", &requests).await;
    for ((url, expected), outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(outcome, expected, "{url}");
    }
    let sent = cases
        .iter()
        .filter(|(_, expected)| expected.starts_with("200"))
        .count();
    assert_eq!(upstream.request_heads().len(), sent);
    assert_eq!(other.request_heads().len(), 0);
    for head in upstream.request_heads() {
        // The `host` header has the authorized address, and the host adds no header but `accept`.
        let mut lines: Vec<_> = head.lines().skip(1).collect();
        lines.sort();
        assert_eq!(
            lines,
            ["accept: */*", &format!("host: {}", upstream.address)],
            "{head}"
        );
    }
}

/// The guest gets the redirect response, and its next request is authorized like any other.
#[tokio::test]
async fn redirects_are_not_followed() {
    let upstream = Upstream::start().await;
    let origin = upstream.origin();
    let entry = format!("{origin}/redirect");
    let requests = [
        Fetch::get(&format!("{origin}/redirect")),
        Fetch::get(&format!("{origin}/elsewhere")),
    ];
    assert_eq!(
        send_all(&[&entry], "", &requests).await,
        ["302 ", http::DENIED]
    );
    assert_eq!(upstream.request_heads().len(), 1);
}

/// An entry with a private address is rejected at load unless `private-network = true`, since it could never be used.
#[tokio::test]
async fn private_addresses_need_the_private_network_grant() {
    let upstream = Upstream::start().await;
    let toolcrib = Toolcrib::new();
    let url = format!("{}/", upstream.origin());
    toolcrib.write("guest", &http_guest(&[Fetch::get(&url)]).component());
    for (entry, private_network, is_rejected) in [
        (upstream.origin(), true, false),
        (upstream.origin(), false, true),
        ("http://localhost:1".into(), false, true),
        ("http://[::1]".into(), false, true),
        ("http://0x7f000001".into(), false, true),
        ("http://10.1.2.3/x".into(), false, true),
        ("http://169.254.169.254".into(), false, true),
        ("http://[fd00:ec2::254]".into(), false, true),
        ("http://[64:ff9b::a00:1]".into(), false, true),
        ("http://93.184.216.34".into(), false, false),
        ("https://api.example.com".into(), false, false),
    ] {
        let text = format!(
            "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = [{entry:?}]\n\
             private-network = {private_network}\n"
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(
            ended.status,
            if is_rejected { 2 } else { 0 },
            "{entry}: {ended:?}"
        );
        if is_rejected {
            for part in [
                "c.toml:4",
                "`component[0].allow.http`",
                "private-network = true",
            ] {
                assert!(ended.stderr.contains(part), "{entry}: {}", ended.stderr);
            }
        }
    }
}

#[tokio::test]
async fn connection_failures_have_specific_error_codes() {
    // The listener is dropped at once, so that nothing listens on its port.
    let closed = Upstream::start().await.origin();
    let requests = [
        Fetch::get(&format!("{closed}/")),
        Fetch::get("http://nowhere.invalid/"),
    ];
    let outcomes = send_all(&[&closed, "http://*.invalid"], "", &requests).await;
    assert_eq!(outcomes, [http::CONNECTION_REFUSED, http::DNS_ERROR]);
}

/// Guests cannot set headers that frame the message, name the host or control the connection. Other headers are sent
/// unchanged.
#[tokio::test]
async fn connection_headers_are_forbidden() {
    let upstream = Upstream::start().await;
    let url = format!("{}/x", upstream.origin());
    // The guest says 1, `header-error.forbidden`, before the response.
    let forbidden = [
        ("Host", "evil.example"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("Keep-Alive", "1"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "close"),
        ("proxy-anything", "x"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Expect", "100-continue"),
    ];
    let mut requests: Vec<_> = forbidden
        .iter()
        .map(|(name, value)| Fetch::get(&url).header(name, value))
        .collect();
    requests.push(
        Fetch::get(&url)
            .header("authorization", "Bearer own")
            .header("X-Own", "1"),
    );
    // `content-length` values that differ from the body's length.
    requests.push(Fetch::get(&url).method(2).header("content-length", "5"));
    requests.push(
        Fetch::get(&url)
            .method(2)
            .header("content-length", "5")
            .chunks(1),
    );
    requests.push(
        Fetch::get(&url)
            .method(2)
            .header("content-length", "+4096")
            .chunks(1),
    );
    // CONNECT.
    requests.push(Fetch::get(&url).method(5));
    let outcomes = send_all(&[&upstream.origin()], "", &requests).await;
    for ((name, _), outcome) in forbidden.iter().zip(&outcomes) {
        assert_eq!(outcome, "1200 asked /x", "{name}");
    }
    let rest = &outcomes[forbidden.len()..];
    assert_eq!(rest[0], "200 asked /x");
    assert_eq!(rest[1], http::BODY_SIZE);
    assert!(
        rest[2].starts_with('E') || rest[2].starts_with("200"),
        "{}",
        rest[2]
    );
    // 0 is `header-error.invalid-syntax`.
    assert_eq!(rest[3], "0200 asked /x");
    assert_eq!(rest[4], http::DENIED);
    let asked = upstream.request_heads();
    for head in &asked[..forbidden.len()] {
        assert_eq!(head.lines().count(), 3, "{head}");
        assert!(
            head.contains(&format!("host: {}", upstream.address)),
            "{head}"
        );
    }
    let own = &asked[forbidden.len()];
    assert!(
        own.contains("authorization: Bearer own\r\n") && own.contains("x-own: 1"),
        "{own}"
    );
}

/// A reused connection could carry state from one call to another.
#[tokio::test]
async fn each_request_has_its_own_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    // Keeps connections open, and answers with the number of the request on its connection.
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let mut request_number = 0;
                while stream.read(&mut head).await.is_ok_and(|length| length > 0) {
                    request_number += 1;
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{request_number}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let requests = [(); 3].map(|()| Fetch::get(&format!("{origin}/x")));
    assert_eq!(send_all(&[&origin], "", &requests).await, ["200 1"; 3]);
    serving.abort();
}

#[tokio::test]
async fn definitions_run_without_grants() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    add_http_imports(&mut guest);
    let fetches = fetch(&mut guest, &Fetch::get(&format!("{}/x", upstream.origin())));
    // Traps, and thus fails to load, unless the request fails: the outcome must begin with "E".
    guest
        .before_definitions(&format!(
            "{fetches} (if (i32.ne (i32.load8_u (i32.const 1024)) (i32.const 69)) (then unreachable))"
        ))
        .tool(Tool::new("t"), format!("{fetches} (call $said)"));
    let text = configuration(&[&upstream.origin()], "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    assert!(upstream.request_heads().is_empty());
    assert_eq!(
        host.client().call("t", json!({})).await.text(),
        "200 asked /x"
    );
}

#[tokio::test]
async fn grants_apply_to_one_component_only() {
    let upstream = Upstream::start().await;
    let guest = http_guest(&[Fetch::get(&format!("{}/x", upstream.origin()))]);
    let text = format!(
        "components = [\"other.wasm\"]\n{}[component.tool]\n",
        configuration(&[&upstream.origin()], "")
            .replace("[component.allow]", "prefix = \"g_\"\n[component.allow]")
    );
    let host = Host::configured(&[("guest", &guest), ("other", &guest)], &text).await;
    assert_eq!(
        host.client().call("g_t0", json!({})).await.text(),
        "200 asked /x"
    );
    assert_eq!(
        host.client().call("t0", json!({})).await.text(),
        http::DENIED
    );
}

/// Requests do not use a proxy from the environment, and certificates are verified against the system's roots.
#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_ignored_and_certificates_verified() {
    let (upstream, proxy) = (Upstream::start().await, Upstream::start().await);
    let toolcrib = Toolcrib::new();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::generate_simple_self_signed(names).unwrap();
    toolcrib
        .file("cert.pem", certificate.cert.pem())
        .file("key.pem", certificate.signing_key.serialize_pem())
        .file(
            "https.toml",
            "components = [\"plain.wasm\"]\nserver.tls = { cert = \"cert.pem\", key = \"key.pem\" }\n",
        );
    toolcrib.write("plain", &Guest::saying("plain", "plain").component());
    let config = toolcrib.path().join("https.toml");
    let server = Process::serve(["--no-auth", "--config", config.to_str().unwrap()]);
    let https = format!("https://127.0.0.1:{}", server.address.port());
    let requests = [
        Fetch::get(&format!("{}/x", upstream.origin())),
        Fetch::get(&format!("{https}/healthz")),
    ];
    toolcrib.write("guest", &http_guest(&requests).component());
    toolcrib.file("c.toml", configuration(&[&upstream.origin(), &https], ""));
    for (is_trusted, expected) in [(true, "200 "), (false, http::BAD_CERTIFICATE)] {
        let call = |tool: &str| {
            let mut command = toolcrib.command(&["call", "--config", "c.toml", "guest.wasm", tool]);
            for name in [
                "HTTP_PROXY",
                "http_proxy",
                "HTTPS_PROXY",
                "https_proxy",
                "ALL_PROXY",
            ] {
                command.env(name, proxy.origin());
            }
            if is_trusted {
                command.env("SSL_CERT_FILE", toolcrib.path().join("cert.pem"));
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (text(output.stdout), text(output.stderr))
        };
        assert_eq!(call("t0").0, "200 asked /x\n");
        let (result, log) = call("t1");
        assert!(result.starts_with(expected), "{is_trusted}: {result}");
        // The guest gets only an error code; the operator learns the reason.
        let line = log.lines().find(|line| line.contains("no TLS connection"));
        assert_eq!(line.is_none(), is_trusted, "{log}");
        if let Some(line) = line {
            for part in ["guest", "local", "127.0.0.1", "certificate"] {
                assert!(line.contains(part), "{part}: {line}");
            }
            assert!(
                !line.contains("healthz"),
                "the path may be a secret: {line}"
            );
        }
    }
    assert!(
        proxy.request_heads().is_empty(),
        "{:?}",
        proxy.request_heads()
    );
}
