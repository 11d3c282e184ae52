//! `wasi:keyvalue` on a real Redis, which the tests start themselves.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keeping;
use crate::support::kept::{self, component};
use crate::support::server::Host;

const PASSWORD: &str = "correct horse";

/// A Redis in a directory of its own, ended when it is dropped.
struct Redis {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Redis {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let tls = more.iter().any(|argument| argument.starts_with("--tls"));
        let ports = if tls {
            ["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned)
        } else {
            ["--port", &port.to_string(), "--databases", "2"].map(str::to_owned)
        };
        if tls {
            let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(dir.path().join("cert.pem"), certified.cert.pem()).unwrap();
            std::fs::write(
                dir.path().join("key.pem"),
                certified.signing_key.serialize_pem(),
            )
            .unwrap();
        }
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", PASSWORD])
            .args(ports)
            .args(more)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !said.contains("Ready to accept connections") {
            assert!(
                stdout.read_line(&mut said).unwrap() > 0,
                "redis-server ended: {said}"
            );
        }
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { dir, port, child }
    }

    fn url(&self) -> String {
        format!("redis://:correct%20horse@127.0.0.1:{}", self.port)
    }

    fn place(&self) -> String {
        format!("[kv]\nurl = {:?}", self.url())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn operations() {
    kept::operations(&Redis::start().place()).await;
}

#[tokio::test]
async fn concurrency() {
    kept::concurrency(&Redis::start().place()).await;
}

#[tokio::test]
async fn components() {
    kept::components(&Redis::start().place()).await;
}

#[tokio::test]
async fn callers() {
    let redis = Redis::start();
    kept::callers(&format!("kv.url = {:?}", redis.url())).await;
}

#[tokio::test]
async fn quota() {
    kept::quota(&Redis::start().place()).await;
}

#[tokio::test]
async fn restart() {
    kept::restart(&Redis::start().place()).await;
}

/// Hosts that share a Redis share what their components keep, and outlast its restart.
#[tokio::test]
async fn replicas() {
    let redis = Redis::start();
    let guest = keeping("cache");
    let text = format!(
        "{}\n{}",
        redis.place(),
        component("g", "replicas", &["cache"])
    );
    let one = Host::configured(&[("g", &guest)], &text).await;
    let two = Host::configured(&[("g", &guest)], &text).await;
    for (host, expected) in [(&one, "7"), (&two, "14"), (&one, "21"), (&two, "28")] {
        let said = host
            .client()
            .call("g_count", json!({}))
            .await
            .text()
            .to_owned();
        assert_eq!(said, expected);
    }
    let port = redis.port;
    drop(redis);
    let said = one
        .client()
        .call("g_count", json!({}))
        .await
        .text()
        .to_owned();
    assert_eq!(said, "E2 the store cannot be used now");
    let _again = Redis::with(&["--port", &port.to_string()]);
    let said = one
        .client()
        .call("g_count", json!({}))
        .await
        .text()
        .to_owned();
    assert_eq!(said, "7");
}

/// Without what the URL must hold, a host says why it cannot start, and no secret.
#[tokio::test(flavor = "multi_thread")]
async fn faults() {
    let redis = Redis::start();
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    let port = redis.port;
    for (url, word) in [
        (redis.url(), ""),
        (format!("redis://127.0.0.1:{port}"), "credentials"),
        (format!("redis://:hunter2@127.0.0.1:{port}"), "credentials"),
        (format!("{}/7", redis.url()), "out of range"),
        (format!("rediss://:hunter2@localhost:{port}"), "redis"),
    ] {
        toolcrib.file("url", format!("{url}\n"));
        toolcrib.file(
            "c.toml",
            format!(
                "[kv]\nurl = {{ file = \"url\" }}\n{}",
                component("g", "g", &["cache"])
            ),
        );
        let ended = toolcrib.run(&["call", "--config", "c.toml", "g.wasm", "g_get"]);
        assert_eq!(ended.status == 0, word.is_empty(), "{url}: {ended:?}");
        assert!(ended.stderr.contains(word), "{url}: {ended:?}");
        for secret in ["hunter2", "horse"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
    }
}

/// `rediss://` verifies who answers.
#[tokio::test(flavor = "multi_thread")]
async fn tls() {
    let redis = Redis::with(&[
        "--tls-cert-file",
        "cert.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-ca-cert-file",
        "cert.pem",
        "--tls-auth-clients",
        "no",
    ]);
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    let url = format!("rediss://:correct%20horse@localhost:{}", redis.port);
    toolcrib.file(
        "c.toml",
        format!("[kv]\nurl = {url:?}\n{}", component("g", "g", &["cache"])),
    );
    for trusted in [true, false] {
        let mut command = toolcrib.command(&["call", "--config", "c.toml", "g.wasm", "g_count"]);
        if trusted {
            command.env("SSL_CERT_FILE", redis.dir.path().join("cert.pem"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), trusted, "{output:?}");
        assert_eq!(output.stdout == b"7\n", trusted, "{output:?}");
    }
}
