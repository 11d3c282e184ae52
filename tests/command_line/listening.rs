//! `--listen` and `server.listen`: `localhost`, IPv6, Unix domain sockets, and addresses without access control.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use serde_json::json;

use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;

/// A running server. Dropping it kills the process.
struct Serving {
    child: Child,
    /// Everything up to the line about listening.
    log: String,
    /// The place of that line.
    place: String,
}

impl Serving {
    fn start(toolcrib: &Toolcrib, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "hello.wasm"], arguments].concat();
        let mut child = toolcrib.command(&arguments).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let place = loop {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the server exited: {log}");
            if let Some(place) = line.strip_prefix("listening on ") {
                break place.split(" (").next().unwrap().to_owned();
            }
            log.push_str(&line);
        };
        // A full pipe would block the server.
        std::thread::spawn(move || stderr.lines().for_each(drop));
        Self { child, log, place }
    }

    /// Sends SIGTERM and waits for the end.
    fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn toolcrib() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &Guest::saying("hello", "hello").component());
    toolcrib
}

/// Returns a client that connects to a Unix domain socket, whatever the host of the URL.
fn socket_client(path: &Path, url: &str) -> Client {
    let builder = reqwest::Client::builder().no_proxy();
    Client {
        http: builder.unix_socket(path).build().unwrap(),
        ..Client::new(url, Revision::July2026)
    }
}

async fn answers(client: &Client) -> bool {
    let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
    match client.post(&message).send().await {
        Ok(response) => response.status() == 200,
        Err(_) => false,
    }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

#[tokio::test]
async fn localhost_is_served_on_both_loopback_addresses() {
    let toolcrib = toolcrib();
    toolcrib.file("c.toml", "[server]\nlisten = \"localhost:0\"\n");
    for arguments in [
        ["--no-auth", "--listen", "LocalHost:0"],
        ["--no-auth", "--config", "c.toml"],
    ] {
        let mut serving = Serving::start(&toolcrib, &arguments);
        let port = serving.place.strip_prefix("http://localhost:").unwrap();
        let port = port.strip_suffix("/mcp").unwrap();
        assert_ne!(port, "0");
        let mut hosts = vec!["localhost", "127.0.0.1"];
        if has_ipv6() {
            hosts.push("[::1]");
        }
        for host in hosts {
            let client = Client::new(&format!("http://{host}:{port}/mcp"), Revision::July2026);
            assert!(answers(&client).await, "{host}");
        }
        assert_eq!(serving.stop().code(), Some(0));
    }
    // A port that is used on one of the addresses is refused.
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("localhost:{}", used.local_addr().unwrap().port());
    let output = toolcrib.run(&["serve", "hello.wasm", "--no-auth", "--listen", &place]);
    let last = output.stderr.lines().last().unwrap();
    assert_eq!(output.status, 1, "{output:?}");
    assert!(last.contains(&place) && last.contains("--listen"), "{last}");
}

#[tokio::test]
async fn the_ipv6_loopback_address_is_served() {
    let toolcrib = toolcrib();
    let arguments = ["--no-auth", "--listen", "[::1]:0"];
    if !has_ipv6() {
        let arguments = [&["serve", "hello.wasm"], &arguments[..]].concat();
        let output = toolcrib.run(&arguments);
        assert!(
            output.stderr.contains("cannot listen on [::1]:0"),
            "{output:?}"
        );
        return;
    }
    let serving = Serving::start(&toolcrib, &arguments);
    assert!(
        serving.place.starts_with("http://[::1]:"),
        "{}",
        serving.place
    );
    assert!(answers(&Client::new(&serving.place, Revision::July2026)).await);
}

#[tokio::test]
async fn a_unix_socket_is_served_to_its_group_and_removed_at_the_end() {
    let toolcrib = toolcrib();
    std::fs::create_dir(toolcrib.path().join("config")).unwrap();
    toolcrib.file(
        "config/c.toml",
        "[server]\nlisten = \"unix:../s.sock\"\npublic-url = \"https://tools.example.com\"\n",
    );
    let socket = toolcrib.path().join("s.sock");
    let absolute = format!("unix:{}", socket.display());
    for (arguments, place, serves_public_host) in [
        (&["--listen", "unix:s.sock"][..], "unix:s.sock", false),
        (&["--listen", &absolute], absolute.as_str(), false),
        (
            &["--config", "config/c.toml"],
            "unix:config/../s.sock",
            true,
        ),
    ] {
        // Authentication may be off, as on a loopback address.
        let arguments = [&["--no-auth"], arguments].concat();
        let mut serving = Serving::start(&toolcrib, &arguments);
        assert_eq!(serving.place, place);
        let metadata = std::fs::symlink_metadata(&socket).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
        for (url, is_served) in [
            ("http://localhost/mcp", true),
            ("http://localhost:8080/mcp", true),
            ("http://tools.example.com/mcp", serves_public_host),
            ("http://evil.example/mcp", false),
        ] {
            let client = socket_client(&socket, url);
            assert_eq!(answers(&client).await, is_served, "{place}: {url}");
        }
        // Another server does not take the place of a running one.
        let output = toolcrib.run(&["serve", "hello.wasm", "--no-auth", "--listen", &absolute]);
        let last = output.stderr.lines().last().unwrap();
        assert_eq!(output.status, 1, "{output:?}");
        assert!(
            last.contains(&absolute) && last.contains("--listen"),
            "{last}"
        );
        let client = socket_client(&socket, "http://localhost/mcp");
        assert!(answers(&client).await);
        assert_eq!(serving.stop().code(), Some(0));
        assert!(!socket.exists());
    }
}

#[tokio::test]
async fn only_the_file_of_a_socket_without_listener_is_replaced() {
    let toolcrib = toolcrib();
    let path = toolcrib.path().join("s.sock");
    let arguments = ["--no-auth", "--listen", "unix:s.sock"];
    // A killed server leaves its file.
    let mut killed = Serving::start(&toolcrib, &arguments);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(path.exists());
    let mut serving = Serving::start(&toolcrib, &arguments);
    assert!(answers(&socket_client(&path, "http://localhost/mcp")).await);
    // The file of a successor stays.
    std::fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    assert_eq!(serving.stop().code(), Some(0));
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();

    let refused = |hint: &str| {
        let arguments = [&["serve", "hello.wasm"], &arguments[..]].concat();
        let output = toolcrib.run(&arguments);
        let last = output.stderr.lines().last().unwrap();
        assert_eq!(output.status, 1, "{output:?}");
        assert!(
            last.starts_with("error: cannot listen on unix:s.sock") && last.contains(hint),
            "{last}"
        );
    };
    drop(successor);
    std::fs::write(&path, "a file").unwrap();
    refused("is not a socket; remove it");
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    std::fs::remove_file(&path).unwrap();

    // A link to the file of a socket without listener is not followed.
    drop(UnixListener::bind(toolcrib.path().join("target.sock")).unwrap());
    symlink("target.sock", &path).unwrap();
    refused("is not a socket; remove it");
    assert!(toolcrib.path().join("target.sock").exists());
    std::fs::remove_file(&path).unwrap();

    let _datagrams = UnixDatagram::bind(&path).unwrap();
    refused("--listen");
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();

    std::fs::create_dir(&path).unwrap();
    refused("is not a socket; remove it");
    std::fs::remove_dir(&path).unwrap();

    let long = format!("unix:{}", "x".repeat(120));
    for (place, hint) in [
        ("unix:no/s.sock", "create the directory"),
        (&long, "choose a shorter path"),
    ] {
        let output = toolcrib.run(&["serve", "hello.wasm", "--no-auth", "--listen", place]);
        let last = output.stderr.lines().last().unwrap();
        assert!(last.contains(place) && last.contains(hint), "{last}");
    }
}

/// Containers have to listen on all addresses to be reachable through a published port.
#[tokio::test]
async fn an_address_without_authentication_needs_a_confirmation() {
    let toolcrib = toolcrib();
    let confirmed = ["--no-auth", "--i-know-this-is-open", "--listen"];
    let arguments = [&confirmed[..], &["0.0.0.0:0"]].concat();
    let serving = Serving::start(&toolcrib, &arguments);
    assert!(
        serving.log.contains("authentication is off"),
        "{}",
        serving.log
    );
    let url = serving.place.replace("0.0.0.0", "127.0.0.1");
    let client = Client::new(&url, Revision::July2026);
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    // The check of `Host` stays, because web pages can reach the address too.
    let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
    let answer = Answer::to(client.post(&message).header("host", "evil.example")).await;
    assert_eq!(answer.status, 403);

    // 192.0.2.1 is for documentation (RFC 5737): listening fails after the decision.
    let arguments = [&["serve", "hello.wasm"], &confirmed[..], &["192.0.2.1:0"]].concat();
    let output = toolcrib.run(&arguments);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("cannot listen on 192.0.2.1:0"),
        "{output:?}"
    );
    let check = ["check", "hello.wasm", "--listen", "0.0.0.0:0", "--no-auth"];
    assert_eq!(toolcrib.run(&check).status, 2);
    let check = [&check[..], &["--i-know-this-is-open"]].concat();
    assert_eq!(toolcrib.run(&check).status, 0);
    // It says nothing about a server with authentication.
    let output = toolcrib.run(&["serve", "hello.wasm", "--i-know-this-is-open"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("--no-auth"), "{output:?}");
}
