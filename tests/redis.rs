//! `wasi:keyvalue` with a real Redis, which each test starts itself.

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keyvalue_guest;
use crate::support::keyvalue_suite::{self, component};
use crate::support::redis::Redis;
use crate::support::server::Host;

#[tokio::test]
async fn every_operation_works() {
    keyvalue_suite::operations(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn concurrent_increments_are_all_counted() {
    keyvalue_suite::concurrency(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_of_components_is_isolated() {
    keyvalue_suite::components(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_of_callers_is_isolated() {
    let redis = Redis::start();
    keyvalue_suite::callers(&format!("kv.url = {:?}", redis.url())).await;
}

#[tokio::test]
async fn the_quota_of_a_component_is_enforced() {
    keyvalue_suite::quota(&Redis::start().kv_section()).await;
}

#[tokio::test]
async fn data_survives_a_restart() {
    keyvalue_suite::restart(&Redis::start().kv_section()).await;
}

/// Hosts reconnect after Redis has been restarted.
#[tokio::test]
async fn hosts_with_one_redis_share_data_and_survive_its_restart() {
    let redis = Redis::start();
    let guest = keyvalue_guest("cache");
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
    toolcrib.write("g", &keyvalue_guest("cache").component());
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
    toolcrib.write("g", &keyvalue_guest("cache").component());
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
