//! `allow.kv`: `wasi:keyvalue` with the embedded store.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keeping;
use crate::support::kept::{self, component};
use crate::support::server::Host;

/// The `[kv]` section for a store in a temporary directory.
fn temporary_store() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/kv.redb");
    let text = format!("[kv]\nurl = {path:?}");
    (dir, text)
}

#[tokio::test]
async fn every_operation_works() {
    let (_dir, kv_section) = temporary_store();
    kept::operations(&kv_section).await;
}

#[tokio::test]
async fn concurrent_increments_are_all_counted() {
    let (_dir, kv_section) = temporary_store();
    kept::concurrency(&kv_section).await;
}

#[tokio::test]
async fn data_of_components_is_isolated() {
    let (_dir, kv_section) = temporary_store();
    kept::components(&kv_section).await;
}

#[tokio::test]
async fn data_of_callers_is_isolated() {
    let (_dir, kv_section) = temporary_store();
    let kv_section = kv_section.replace("[kv]\nurl", "kv.url");
    kept::callers(&kv_section).await;
}

#[tokio::test]
async fn the_quota_of_a_component_is_enforced() {
    let (_dir, kv_section) = temporary_store();
    kept::quota(&kv_section).await;
}

#[tokio::test]
async fn data_survives_a_restart() {
    let (_dir, kv_section) = temporary_store();
    kept::restart(&kv_section).await;
}

/// Names that only resemble a granted one fail.
#[tokio::test]
async fn only_granted_buckets_can_be_opened() {
    let (_dir, kv_section) = temporary_store();
    for (bucket, expected) in [
        ("cache", "none"),
        ("", "E1"),
        ("other", "E1"),
        ("Cache", "E1"),
        ("cache/x", "E1"),
        ("cache@", "E0"),
        ("cache@bob", "E0"),
        ("cache@caller@caller", "E0"),
        ("@caller", "E1"),
        ("only", "E1"),
    ] {
        let guest = keeping(bucket);
        let text = format!(
            "{kv_section}\n{}",
            component("g", "names", &["cache", "only@caller"])
        );
        let host = Host::configured(&[("g", &guest)], &text).await;
        let value = host
            .client()
            .call("g_get", json!({}))
            .await
            .text()
            .to_owned();
        assert_eq!(value, expected, "{bucket:?}");
    }
    // A component without grants.
    let guest = keeping("cache");
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("get", json!({})).await.text(), "E1");
}

/// The default file is in the platform's data directory, readable by its owner only, and used by one process at a time.
#[tokio::test(flavor = "multi_thread")]
async fn the_default_file_is_private_and_exclusive() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    toolcrib.file("c.toml", component("g", "file", &["cache"]));
    let call = |tool: &str| toolcrib.run(&["call", "--config", "c.toml", "g.wasm", tool]);
    for expected in ["7\n", "14\n"] {
        let ended = call("g_count");
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, expected),
            "{ended:?}"
        );
    }
    let file = toolcrib.path().join(".local/share/toolcrib/kv.redb");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let dir = file.parent().unwrap();
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    // While another process has the file open.
    let guest = keeping("cache");
    let kv_section = format!("[kv]\nurl = {file:?}");
    let text = format!("{kv_section}\n{}", component("g", "file", &["cache"]));
    let host = Host::configured(&[("g", &guest)], &text).await;
    assert_eq!(host.client().call("g_count", json!({})).await.text(), "21");
    let ended = call("g_count");
    assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
    for part in ["kv.redb", "another process", "[kv]"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    // Commands that do not run a tool do not open the store.
    for arguments in [
        &["inspect", "--config", "c.toml", "g.wasm"][..],
        &["check", "--no-auth", "--config", "c.toml"],
    ] {
        let ended = toolcrib.run(arguments);
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn invalid_settings_are_reported() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    toolcrib.file(
        "broken.redb",
        "not a database at all, and long enough to be looked at".repeat(200),
    );
    let too_long = "x".repeat(65);
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("check", "url = \"state/kv.redb\"", "cache", &[]),
        ("check", "url = \"file:state/kv.redb\"", "cache", &[]),
        (
            "check",
            "url = \"redis://:secret@127.0.0.1:1/0\"",
            "cache",
            &[],
        ),
        ("check", "url = \"rediss://redis.internal\"", "cache", &[]),
        (
            "check",
            "url = { env = \"NOWHERE\" }",
            "cache",
            &["c.toml:2", "kv.url`", "NOWHERE"],
        ),
        (
            "check",
            "url = \"postgres://x\"",
            "cache",
            &["c.toml:2", "kv.url`", "redis://"],
        ),
        (
            "check",
            "url = \"redis://:secret@/x/y\"",
            "cache",
            &["kv.url`"],
        ),
        ("check", "quota = 5", "cache", &["kv.quota`", "64MiB"]),
        (
            "check",
            "urll = \"x\"",
            "cache",
            &["`kv.urll`", "did you mean `url`?"],
        ),
        ("check", "", "", &["allow.kv` has \"\"", "1 to 64"]),
        ("check", "", &too_long, &["allow.kv`", "1 to 64"]),
        ("check", "", "a/b", &["allow.kv`", "1 to 64"]),
        ("check", "", "a@b", &["allow.kv`", "@caller"]),
        ("call", "url = \"broken.redb\"", "cache", &["broken.redb"]),
        (
            "call",
            "url = \"/proc/kv.redb\"",
            "cache",
            &["/proc/kv.redb"],
        ),
        (
            "call",
            "url = \"redis://:secret@127.0.0.1:1\"",
            "cache",
            &["redis://127.0.0.1:1", "nothing listens"],
        ),
    ];
    for (command, kv, bucket, parts) in cases {
        toolcrib.file(
            "c.toml",
            format!("[kv]\n{kv}\n{}", component("g", "g", &[bucket])),
        );
        let ended = match *command {
            "call" => toolcrib.run(&["call", "--config", "c.toml", "g.wasm", "g_get"]),
            _ => toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]),
        };
        assert_eq!(
            ended.status == 0,
            parts.is_empty(),
            "{kv} {bucket}: {ended:?}"
        );
        assert_eq!(
            ended.stderr.lines().count(),
            usize::from(!parts.is_empty()),
            "{kv}: {ended:?}"
        );
        for part in *parts {
            assert!(ended.stderr.contains(part), "{kv} {bucket}: {ended:?}");
        }
        assert!(!ended.stderr.contains("secret"), "{ended:?}");
    }
}

/// Two components with one name would share their data.
#[tokio::test]
async fn names_of_components_with_buckets_are_unique() {
    let (_dir, kv_section) = temporary_store();
    let toolcrib = Toolcrib::new();
    for file in ["g", "h"] {
        toolcrib.write(file, &keeping("cache").component());
    }
    for (second, kv, status) in [("same", "cache", 2), ("other", "cache", 0)] {
        let text = format!(
            "{kv_section}\n{}{}",
            component("g", "same", &["cache"]),
            component("h", second, &[kv])
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(ended.status, status, "{ended:?}");
        assert_eq!(ended.stderr.contains("`same`"), status == 2, "{ended:?}");
    }
}
