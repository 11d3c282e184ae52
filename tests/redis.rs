//! `wasi:keyvalue` with a real Redis, which each test starts itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keeping;
use crate::support::kept::{self, component};
use crate::support::server::Host;

const PASSWORD: &str = "correct horse";

/// A Redis server in a temporary directory, stopped when dropped.
struct Redis {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Redis {
    fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with additional arguments. If one of them is a `--tls…` option, it listens with TLS only.
    fn with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let has_tls = arguments
            .iter()
            .any(|argument| argument.starts_with("--tls"));
        let ports = if has_tls {
            ["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned)
        } else {
            ["--port", &port.to_string(), "--databases", "2"].map(str::to_owned)
        };
        if has_tls {
            let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(dir.path().join("cert.pem"), certificate.cert.pem()).unwrap();
            std::fs::write(
                dir.path().join("key.pem"),
                certificate.signing_key.serialize_pem(),
            )
            .unwrap();
        }
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", PASSWORD])
            .args(ports)
            .args(arguments)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !output.contains("Ready to accept connections") {
            assert!(
                stdout.read_line(&mut output).unwrap() > 0,
                "redis-server ended: {output}"
            );
        }
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { dir, port, child }
    }

    fn url(&self) -> String {
        format!("redis://:correct%20horse@127.0.0.1:{}", self.port)
    }

    /// The `[kv]` section for this server.
    fn kv_section(&self) -> String {
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
async fn every_operation_works() {
    kept::operations(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn concurrent_increments_are_all_counted() {
    kept::concurrency(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_of_components_is_isolated() {
    kept::components(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_of_callers_is_isolated() {
    let redis = Redis::start();
    kept::callers(&format!("kv.url = {:?}", redis.url())).await;
}

#[tokio::test]
async fn the_quota_of_a_component_is_enforced() {
    kept::quota(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_survives_a_restart() {
    kept::restart(&Redis::start().kv_section()).await;
}

/// Hosts reconnect after Redis has been restarted.
#[tokio::test]
async fn hosts_with_one_redis_share_data_and_survive_its_restart() {
    let redis = Redis::start();
    let guest = keeping("cache");
    let text = format!(
        "{}\n{}",
        redis.kv_section(),
        component("g", "replicas", &["cache"])
    );
    let first = Host::configured(&[("g", &guest)], &text).await;
    let second = Host::configured(&[("g", &guest)], &text).await;
    for (host, expected) in [
        (&first, "7"),
        (&second, "14"),
        (&first, "21"),
        (&second, "28"),
    ] {
        let result = host
            .client()
            .call("g_count", json!({}))
            .await
            .text()
            .to_owned();
        assert_eq!(result, expected);
    }
    let port = redis.port;
    drop(redis);
    let result = first
        .client()
        .call("g_count", json!({}))
        .await
        .text()
        .to_owned();
    assert_eq!(result, "E2 the store cannot be used now");
    let _restarted = Redis::with(&["--port", &port.to_string()]);
    let result = first
        .client()
        .call("g_count", json!({}))
        .await
        .text()
        .to_owned();
    assert_eq!(result, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_urls_are_reported_without_secrets() {
    let redis = Redis::start();
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    let port = redis.port;
    for (url, expected) in [
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
        assert_eq!(ended.status == 0, expected.is_empty(), "{url}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{url}: {ended:?}");
        for secret in ["hunter2", "horse"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rediss_verifies_the_certificate() {
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
    for is_trusted in [true, false] {
        let mut command = toolcrib.command(&["call", "--config", "c.toml", "g.wasm", "g_count"]);
        if is_trusted {
            command.env("SSL_CERT_FILE", redis.dir.path().join("cert.pem"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), is_trusted, "{output:?}");
        assert_eq!(output.stdout == b"7\n", is_trusted, "{output:?}");
    }
}
