//! `kv`: what a component keeps, in the embedded store.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keeping;
use crate::support::kept::{self, component};
use crate::support::server::Host;

/// A place in a directory of the test's own.
fn place() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/kv.redb");
    let text = format!("[kv]\nurl = {path:?}");
    (dir, text)
}

#[tokio::test]
async fn operations() {
    let (_dir, place) = place();
    kept::operations(&place).await;
}

#[tokio::test]
async fn concurrency() {
    let (_dir, place) = place();
    kept::concurrency(&place).await;
}

#[tokio::test]
async fn components() {
    let (_dir, place) = place();
    kept::components(&place).await;
}

#[tokio::test]
async fn callers() {
    let (_dir, place) = place();
    let place = place.replace("[kv]\nurl", "kv.url");
    kept::callers(&place).await;
}

#[tokio::test]
async fn quota() {
    let (_dir, place) = place();
    kept::quota(&place).await;
}

#[tokio::test]
async fn restart() {
    let (_dir, place) = place();
    kept::restart(&place).await;
}

/// A bucket opens by a name that is granted, and by nothing that looks like one.
#[tokio::test]
async fn names() {
    let (_dir, place) = place();
    for (bucket, says) in [
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
            "{place}\n{}",
            component("g", "names", &["cache", "only@caller"])
        );
        let host = Host::configured(&[("g", &guest)], &text).await;
        let said = host
            .client()
            .call("g_get", json!({}))
            .await
            .text()
            .to_owned();
        assert_eq!(said, says, "{bucket:?}");
    }
    // Without a grant there is none at all, and nothing is opened.
    let guest = keeping("cache");
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("get", json!({})).await.text(), "E1");
}

/// The data is in the platform's data directory, for this user alone; a second process is told so.
#[tokio::test(flavor = "multi_thread")]
async fn the_file() {
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

    // Another process has it.
    let guest = keeping("cache");
    let place = format!("[kv]\nurl = {file:?}");
    let text = format!("{place}\n{}", component("g", "file", &["cache"]));
    let host = Host::configured(&[("g", &guest)], &text).await;
    assert_eq!(host.client().call("g_count", json!({})).await.text(), "21");
    let ended = call("g_count");
    assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
    for word in ["kv.redb", "another process", "[kv]"] {
        assert!(ended.stderr.contains(word), "{ended:?}");
    }
    // Who only looks does not open it.
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

/// What is wrong with the place and the entries is said at load.
#[test]
fn settings() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &keeping("cache").component());
    toolcrib.file(
        "broken.redb",
        "not a database at all, and long enough to be looked at".repeat(200),
    );
    let long = "x".repeat(65);
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
        ("check", "", &long, &["allow.kv`", "1 to 64"]),
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
    for (command, kv, bucket, words) in cases {
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
            words.is_empty(),
            "{kv} {bucket}: {ended:?}"
        );
        assert_eq!(
            ended.stderr.lines().count(),
            usize::from(!words.is_empty()),
            "{kv}: {ended:?}"
        );
        for word in *words {
            assert!(ended.stderr.contains(word), "{kv} {bucket}: {ended:?}");
        }
        assert!(!ended.stderr.contains("secret"), "{ended:?}");
    }
}

/// Two components of one name would keep their data in one place.
#[tokio::test]
async fn one_name() {
    let (_dir, place) = place();
    let toolcrib = Toolcrib::new();
    for file in ["g", "h"] {
        toolcrib.write(file, &keeping("cache").component());
    }
    for (second, kv, status) in [("same", "cache", 2), ("other", "cache", 0)] {
        let text = format!(
            "{place}\n{}{}",
            component("g", "same", &["cache"]),
            component("h", second, &[kv])
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(ended.status, status, "{ended:?}");
        assert_eq!(ended.stderr.contains("`same`"), status == 2, "{ended:?}");
    }
}
