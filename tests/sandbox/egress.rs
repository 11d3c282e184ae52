//! `http`: requests go where an entry says, and nowhere else.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::command::Toolcrib;
use crate::support::guest::http::{self, Fetch, can_fetch, fetch, fetching};
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::server::Host;
use crate::support::upstream::Upstream;

/// A configuration that serves the guest with these entries of `http`.
pub(super) fn configuration(entries: &[&str], more: &str) -> String {
    format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = {entries:?}\n\
         private-network = true\n{more}"
    )
}

/// What a guest hears that is granted these entries.
pub(super) async fn heard(entries: &[&str], more: &str, requests: &[Fetch]) -> Vec<String> {
    let guest = fetching(requests);
    let host = Host::configured(&[("guest", &guest)], &configuration(entries, more)).await;
    let mut heard = Vec::new();
    for index in 0..requests.len() {
        let answer = host.client().call(&format!("t{index}"), json!({})).await;
        heard.push(answer.text().to_owned());
    }
    heard
}

/// The scheme, the host, the port and the path are those of an entry, in whatever notation the guest writes them.
#[tokio::test]
async fn as_granted() {
    let upstream = Upstream::start().await;
    let other = Upstream::start().await;
    let (port, elsewhere) = (upstream.address.port(), other.address.port());
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
        (format!("http://127.0.0.1:{elsewhere}/v1/x"), http::DENIED),
        ("http://127.0.0.1/v1/x".into(), http::DENIED),
    ];
    let requests: Vec<_> = cases.iter().map(|(url, _)| Fetch::get(url)).collect();
    let entry = format!("{}/v1/", upstream.origin());
    let heard = heard(&[&entry], "", &requests).await;
    for ((url, expected), heard) in cases.iter().zip(&heard) {
        assert_eq!(heard, expected, "{url}");
    }
    let sent = cases
        .iter()
        .filter(|(_, says)| says.starts_with("200"))
        .count();
    assert_eq!(upstream.asked().len(), sent);
    assert_eq!(other.asked().len(), 0);
    for head in upstream.asked() {
        // The host names the one that was judged, and adds nothing of its own.
        let mut lines: Vec<_> = head.lines().skip(1).collect();
        lines.sort();
        assert_eq!(
            lines,
            ["accept: */*", &format!("host: {}", upstream.address)],
            "{head}"
        );
    }
}

/// Nothing is followed: the guest gets the redirect, and where it goes is judged anew.
#[tokio::test]
async fn redirects() {
    let upstream = Upstream::start().await;
    let origin = upstream.origin();
    let entry = format!("{origin}/redirect");
    let requests = [
        Fetch::get(&format!("{origin}/redirect")),
        Fetch::get(&format!("{origin}/elsewhere")),
    ];
    assert_eq!(
        heard(&[&entry], "", &requests).await,
        ["302 ", http::DENIED]
    );
    assert_eq!(upstream.asked().len(), 1);
}

/// A private address needs more than an entry, and one that can never be used is refused at load.
#[tokio::test]
async fn private_addresses() {
    let upstream = Upstream::start().await;
    let toolcrib = Toolcrib::new();
    let url = format!("{}/", upstream.origin());
    toolcrib.write("guest", &fetching(&[Fetch::get(&url)]).component());
    for (entry, private, refused) in [
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
             private-network = {private}\n"
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(
            ended.status,
            if refused { 2 } else { 0 },
            "{entry}: {ended:?}"
        );
        if refused {
            for word in [
                "c.toml:4",
                "`component[0].allow.http`",
                "private-network = true",
            ] {
                assert!(ended.stderr.contains(word), "{entry}: {}", ended.stderr);
            }
        }
    }
}

/// A granted request that fails says how.
#[tokio::test]
async fn failures() {
    // Nothing listens where a listener has been.
    let closed = Upstream::start().await.origin();
    let requests = [
        Fetch::get(&format!("{closed}/")),
        Fetch::get("http://nowhere.invalid/"),
    ];
    let heard = heard(&[&closed, "http://*.invalid"], "", &requests).await;
    assert_eq!(heard, [http::CONNECTION_REFUSED, http::DNS_ERROR]);
}

/// What frames a message or names its host is the host's; the rest of the headers goes out as it is.
#[tokio::test]
async fn headers() {
    let upstream = Upstream::start().await;
    let url = format!("{}/x", upstream.origin());
    // 1: the header is forbidden.
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
    // A length that the body does not have.
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
    // CONNECT
    requests.push(Fetch::get(&url).method(5));
    let heard = heard(&[&upstream.origin()], "", &requests).await;
    for ((name, _), heard) in forbidden.iter().zip(&heard) {
        assert_eq!(heard, "1200 asked /x", "{name}");
    }
    let rest = &heard[forbidden.len()..];
    assert_eq!(rest[0], "200 asked /x");
    assert_eq!(rest[1], http::BODY_SIZE);
    assert!(
        rest[2].starts_with('E') || rest[2].starts_with("200"),
        "{}",
        rest[2]
    );
    // 0: no number at all.
    assert_eq!(rest[3], "0200 asked /x");
    assert_eq!(rest[4], http::DENIED);
    let asked = upstream.asked();
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

/// No connection outlives its request: it would carry one call's state to the next.
#[tokio::test]
async fn connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    // Keeps each connection for as long as the other side does, and says which request on it this is.
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let mut number = 0;
                while stream.read(&mut head).await.is_ok_and(|length| length > 0) {
                    number += 1;
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let requests = [(); 3].map(|()| Fetch::get(&format!("{origin}/x")));
    assert_eq!(heard(&[&origin], "", &requests).await, ["200 1"; 3]);
    serving.abort();
}

/// Definitions are asked for without any grant.
#[tokio::test]
async fn definitions_have_no_grant() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    let asks = fetch(&mut guest, &Fetch::get(&format!("{}/x", upstream.origin())));
    // It fails to load where it hears anything but a refusal.
    guest
        .before_definitions(&format!(
            "{asks} (if (i32.ne (i32.load8_u (i32.const 1024)) (i32.const 69)) (then unreachable))"
        ))
        .tool(Tool::new("t"), format!("{asks} (call $said)"));
    let text = configuration(&[&upstream.origin()], "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    assert!(upstream.asked().is_empty());
    assert_eq!(
        host.client().call("t", json!({})).await.text(),
        "200 asked /x"
    );
}

/// Grants are of one component: its neighbour has none of them.
#[tokio::test]
async fn grants_of_one_component() {
    let upstream = Upstream::start().await;
    let guest = fetching(&[Fetch::get(&format!("{}/x", upstream.origin()))]);
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

/// A proxy of the environment is not asked, and certificates are verified by the roots of the system.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment() {
    let (upstream, proxy) = (Upstream::start().await, Upstream::start().await);
    let toolcrib = Toolcrib::new();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    toolcrib
        .file("cert.pem", certified.cert.pem())
        .file("key.pem", certified.signing_key.serialize_pem())
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
    toolcrib.write("guest", &fetching(&requests).component());
    toolcrib.file("c.toml", configuration(&[&upstream.origin(), &https], ""));
    for (trusted, expected) in [(true, "200 "), (false, http::BAD_CERTIFICATE)] {
        let said = |tool: &str| {
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
            if trusted {
                command.env("SSL_CERT_FILE", toolcrib.path().join("cert.pem"));
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(said("t0"), "200 asked /x\n");
        assert!(
            said("t1").starts_with(expected),
            "{trusted}: {}",
            said("t1")
        );
    }
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}
