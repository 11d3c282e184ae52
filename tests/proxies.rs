//! The server behind each reverse proxy of `docs/reverse-proxies.md`, which runs with the settings of that page.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{HOST, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, Config};

use crate::support::client::{Client, EventStream, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reverse-proxies.md");
/// Where the proxies are installed that may not be in the `PATH`.
const INSTALLED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/system/.venv/bin:",
    env!("CARGO_MANIFEST_DIR"),
    "/system/trixie/usr/bin"
);
/// The server's name in the page, and the one that [`AUDIENCE`] has.
const NAMES: [&str; 2] = ["tools.example.com", "tools.example"];
/// The server's address in the page.
const DOCUMENTED: &str = "127.0.0.1:8080";
/// Time for the start of a proxy on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Time between the first event of a call and its result.
const PAUSE: Duration = Duration::from_secs(2);

/// A running proxy. It ends when this is dropped.
struct Proxy {
    process: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The certificate of a proxy and what it writes.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed(vec![NAMES[1].into()]).unwrap();
        let key = certificate.signing_key.serialize_pem();
        fs::write(dir.path().join("tools.pem"), certificate.cert.pem()).unwrap();
        fs::write(dir.path().join("tools.key"), key).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Starts a program in this folder and waits until it listens.
    fn start(&self, address: SocketAddr, program: &str, arguments: &[&str]) -> Proxy {
        let output = fs::File::create(self.path().join("output")).unwrap();
        let process = Command::new(program)
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("PATH", format!("/usr/sbin:/usr/bin:/sbin:/bin:{INSTALLED}"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut proxy = Proxy { process, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = proxy.process.try_wait().unwrap();
            let output = fs::read_to_string(self.path().join("output"));
            assert!(
                ended.is_none() && started.elapsed() < MAX_WAIT,
                "{output:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }
}

/// Returns the first block in a language of the page, with the server's address and its name in the tests.
fn block(language: &str, server: SocketAddr) -> String {
    let page = fs::read_to_string(PAGE).unwrap();
    let (_, block) = page.split_once(&format!("\n```{language}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    replace(
        &replace(block, NAMES[0], NAMES[1]),
        DOCUMENTED,
        &server.to_string(),
    )
}

/// Replaces a part of a text that has to be in it.
fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in {text}");
    text.replace(old, new)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Starts the server and its proxy, and checks metadata, a call whose events arrive as they are sent, and a large body.
async fn check(start: impl FnOnce(&Files, SocketAddr) -> Proxy) {
    let issuer = Issuer::start().await;
    let mut guard = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let host = Host::start(&[("guest", &guest())], |config: &mut Config| {
        config.access = Access::Guarded(Box::new(guard));
        config.server.public_url = Some("https://tools.example".into());
    })
    .await;
    let files = Files::new();
    let proxy = start(&files, host.address());

    let url = format!("https://{}:{}", NAMES[1], proxy.address.port());
    let mut client = Client::new(&format!("{url}/mcp"), Revision::July2026);
    client.http = reqwest::Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .resolve(NAMES[1], proxy.address)
        // The proxy of the page has the port that a client does not name.
        .default_headers(HeaderMap::from_iter([(
            HOST,
            HeaderValue::from_static(NAMES[1]),
        )]))
        .build()
        .unwrap();

    assert_eq!(metadata(&client, &url).await["resource"], AUDIENCE);
    assert_eq!(client.list().await.status, 401);

    let client = client.with_token(&issuer.token(|_| {}));
    let params = json!({ "name": "slow", "arguments": {}, "_meta": { "progressToken": 1 } });
    let request = client.post(&client.message("tools/call", params));
    let mut events = EventStream::open(request).await;
    let progress = events.next().await.unwrap();
    let received = Instant::now();
    assert_eq!(progress["method"], "notifications/progress");
    let result = events.next().await.unwrap();
    assert_eq!(result["result"]["content"][0]["text"], "done");
    assert!(received.elapsed() > PAUSE / 2, "the events came together");

    let answer = client
        .call("fast", json!({ "text": "x".repeat(3 << 20) }))
        .await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "done"));
}

/// Returns the metadata of the protected resource. A proxy may listen before it has read its settings.
async fn metadata(client: &Client, url: &str) -> Value {
    let url = format!("{url}/.well-known/oauth-protected-resource/mcp");
    let started = Instant::now();
    loop {
        let response = client.http.get(&url).send().await;
        match response {
            Ok(response) if response.status() == 200 => return response.json().await.unwrap(),
            _ => assert!(started.elapsed() < MAX_WAIT, "{response:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two tools: one reports progress, waits for [`PAUSE`] and returns; the other returns at once.
fn guest() -> Guest {
    let mut guest = Guest::new();
    let done = guest.string("done");
    guest.import(
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
    );
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $block (call $timer (i64.const {})))
             (call $text {done})",
            PAUSE.as_nanos()
        ),
    );
    guest.tool(Tool::new("fast"), format!("(call $text {done})"));
    guest
}

#[tokio::test]
async fn nginx_with_the_settings_of_the_book() {
    check(|files, server| {
        let address = free_address();
        let server = replace(
            &block("nginx", server),
            "listen 443 ",
            &format!("listen {address} "),
        );
        let server = replace(
            &server,
            "/etc/ssl/",
            &format!("{}/", files.path().display()),
        );
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        files.write(
            "nginx.conf",
            &format!(
                "user root;\ndaemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
                 http {{\naccess_log off;\n{paths}{server}}}\n"
            ),
        );
        let directory = format!("{}/", files.path().display());
        let arguments = ["-p", &directory, "-c", "nginx.conf", "-e", "stderr"];
        files.start(address, "nginx", &arguments)
    })
    .await;
}

#[tokio::test]
async fn caddy_with_the_settings_of_the_book() {
    check(|files, server| {
        let address = free_address();
        let site = format!("{} {{\n", NAMES[1]);
        // No authority issues a certificate for the name, and ports 80 and 443 may be taken.
        let with_certificate = format!(
            "{}:{} {{\n  bind 127.0.0.1\n  tls tools.pem tools.key\n",
            NAMES[1],
            address.port()
        );
        let server = replace(&block("text", server), &site, &with_certificate);
        let options = "{\n  admin off\n  auto_https disable_redirects\n}\n";
        files.write("Caddyfile", &format!("{options}{server}"));
        let arguments = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
        files.start(address, "caddy", &arguments)
    })
    .await;
}

#[tokio::test]
async fn traefik_with_the_settings_of_the_book() {
    check(|files, server| {
        let address = free_address();
        // No authority issues a certificate for the name, so it serves one that it makes itself.
        let server = replace(
            &block("yaml", server),
            "{ certResolver: letsencrypt }",
            "{}",
        );
        files.write("dynamic.yaml", &server);
        let entry_point = format!("--entryPoints.websecure.address={address}");
        let arguments = [
            &*entry_point,
            "--providers.file.filename=dynamic.yaml",
            "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
        ];
        files.start(address, "traefik", &arguments)
    })
    .await;
}
