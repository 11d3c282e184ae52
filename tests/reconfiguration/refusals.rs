//! Configurations that are not taken in: nothing of them is.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::Server;
use crate::support::guest::Guest;
use crate::tidy::ROOT;

/// Each key that needs a restart, as a change of the configuration: a table and its new lines.
const RESTART: [(&str, &str, &str); 28] = [
    ("server.listen", "server", "listen = \"localhost:0\""),
    ("server.path", "server", "path = \"/other\""),
    ("server.sessions", "server", "sessions = true"),
    ("server.session-prefix", "server", "session-prefix = \"a\""),
    // A Redis is needed to start with the next two.
    ("server.state-key", "", ""),
    ("shared", "", ""),
    ("server.task-ttl", "server", "task-ttl = \"1m\""),
    ("server.keep-alive", "server", "keep-alive = \"60s\""),
    ("server.max-concurrent-calls", "", ""),
    (
        "server.tls",
        "server",
        "tls = { cert = \"cert.pem\", key = \"key.pem\" }",
    ),
    ("wasi.preview3", "rest", "[wasi]\npreview3 = true"),
    ("limits.memory", "rest", "[limits]\nmemory = \"1GiB\""),
    ("kv.url", "rest", "[kv]\nurl = \"elsewhere\""),
    ("kv.quota", "rest", "[kv]\nquota = \"1MiB\""),
    ("cache.dir", "rest", "[cache]\ndir = \"elsewhere\""),
    ("cache.size", "rest", "[cache]\nsize = \"1GiB\""),
    ("telemetry.log", "telemetry", "log = \"json\""),
    ("telemetry.log-file", "telemetry", "log-file = \"log\""),
    ("telemetry.log-days", "telemetry", "log-days = 1"),
    (
        "telemetry.metrics",
        "telemetry",
        "metrics = \"127.0.0.1:0\"",
    ),
    ("telemetry.audit", "replace", "audit.jsonl other.jsonl"),
    (
        "telemetry.audit-key",
        "telemetry",
        "audit-key = \"0123456789abcdef0123456789abcdef\"",
    ),
    (
        "telemetry.audit-arguments",
        "telemetry",
        "audit-arguments = \"whole\"",
    ),
    ("telemetry.audit-days", "telemetry", "audit-days = 1"),
    (
        "telemetry.audit-required",
        "telemetry",
        "audit-required = true",
    ),
    ("telemetry.otlp", "replace", "127.0.0.1:9 127.0.0.1:8"),
    ("telemetry.trace-sample", "replace", "0.5 0.25"),
    (
        "telemetry.trace-outgoing",
        "telemetry",
        "trace-outgoing = false",
    ),
];

/// Nothing listens at the address of the collector.
const TELEMETRY: &str =
    "[telemetry]\naudit = \"audit.jsonl\"\notlp = \"http://127.0.0.1:9\"\ntrace-sample = 0.5";

/// Each of them is refused with one sentence that names it, and nothing else of the configuration is taken in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_need_a_restart_are_refused() {
    let (cert, key) = crate::tls::self_signed();
    let server = Server::start_with(&[], |text, toolcrib| {
        toolcrib.file("cert.pem", cert).file("key.pem", key);
        text.rest = TELEMETRY.into();
    })
    .await;
    for (key, table, lines) in RESTART {
        // The address of the command line takes precedence.
        if matches!(key, "server.listen" | "server.state-key" | "shared") {
            continue;
        }
        let mut text = server.text();
        text.rest = TELEMETRY.into();
        match table {
            "server" => text.server += &format!("\n{lines}"),
            "telemetry" => text.rest += &format!("\n{lines}"),
            "replace" => {
                let (from, to) = lines.split_once(' ').unwrap();
                text.rest = text.rest.replace(from, to);
            }
            "rest" => text.rest += &format!("\n{lines}"),
            _ => text.max_concurrent_calls = 9,
        }
        text.components += "\nprefix = \"new_\"";
        assert_names(&server.refuse(&text, 1).await, key);
        assert_eq!(server.tools().await, ["hello"], "{key}");
    }
    // The same without them.
    let mut text = server.text();
    text.rest = TELEMETRY.into();
    text.components += "\nprefix = \"new_\"";
    server.take_in(&text).await;
    assert_eq!(server.tools().await, ["new_hello"]);
}

fn assert_names(lines: &[String], key: &str) {
    assert_eq!(lines.len(), 1, "{key}: {lines:?}");
    let sentence = format!("`{key}` has changed, which needs a restart");
    assert!(lines[0].contains(&sentence), "{key}: {lines:?}");
}

#[test]
fn documentation_lists_the_keys_that_need_a_restart() {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/configuration.md")).unwrap();
    let (_, section) = text.split_once("## Changes without a restart").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("- `"));
    let documented: BTreeSet<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let keys = RESTART.iter().map(|(key, ..)| *key);
    assert_eq!(documented, keys.collect());
}

/// Every fault is logged with one sentence, and everything stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_keep_everything() {
    let server = Server::start(|_, toolcrib| {
        toolcrib.file("broken.wasm", "not a component");
    })
    .await;
    let hello = "[[component]]\nref = \"hello.wasm\"\nprefix = \"new_\"";
    let with = |change: fn(&mut super::Text)| {
        let mut text = server.text();
        text.components = hello.into();
        change(&mut text);
        text
    };
    for (text, faults) in [
        (with(|t| t.rest = "[".into()), &["not valid TOML"][..]),
        (
            with(|t| t.rest = "colour = 1\n[limits]\ntime = 5".into()),
            &["unknown key `component[0].colour`", "`limits.time`"],
        ),
        (
            with(|t| t.rest = "[limits]\ntime = 5\ncpu = \"1 parsec\"".into()),
            &["`limits.time`", "`limits.cpu`"],
        ),
        (
            with(|t| t.components += "\n[[component]]\nref = \"nowhere.wasm\""),
            &["nowhere.wasm"],
        ),
        (
            with(|t| t.components += "\n[[component]]\nref = \"broken.wasm\""),
            &["broken.wasm"],
        ),
        // Two tools of one name.
        (
            with(|t| {
                t.components =
                    "[[component]]\nref = \"hello.wasm\"\n[[component]]\nref = \"other.wasm\"\n\
                                [component.tool.other]\nrename = \"hello\""
                        .into();
            }),
            &["hello"],
        ),
        (
            with(|t| t.components += "\nallow.dirs = [{ host = \"nowhere\", guest = \"/d\" }]"),
            &["nowhere"],
        ),
        // Write access to the directory of the configuration.
        (
            with(|t| {
                t.components += "\nallow.dirs = [{ host = \".\", guest = \"/d\", write = true }]";
            }),
            &["gives `.` for writing"],
        ),
        (
            with(|t| t.auth += "\nleeway = \"1h\"\npass-claims = [\"\"]"),
            &["auth.leeway"],
        ),
        (
            with(|t| t.server += "\ninstructions = { file = \"nowhere\" }"),
            &["`server.instructions`"],
        ),
        (
            with(|t| {
                t.server += "\npath = \"/other\"";
                t.components += "\n[[component]]\nref = \"nowhere.wasm\"";
            }),
            &["`server.path`", "nowhere.wasm"],
        ),
    ] {
        let lines = server.refuse(&text, faults.len()).await;
        for fault in faults {
            assert!(
                lines.iter().any(|line| line.contains(fault)),
                "{fault}: {lines:?}"
            );
        }
        assert_eq!(server.tools().await, ["hello"], "{faults:?}");
    }
    // The file is gone.
    std::fs::remove_file(server.toolcrib.path().join("c.toml")).unwrap();
    let lines = server.logged_after("not taken in", || server.hang_up());
    assert!(lines.await[0].contains("cannot be read"));
    // The same components without a fault.
    server.take_in(&with(|_| {})).await;
    assert_eq!(server.tools().await, ["new_hello"]);
    assert_eq!(
        server.client().call("new_hello", json!({})).await.text(),
        "hello"
    );
}

/// A component that cannot be loaded any more is named, and goes on being served with its old settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_components_keep_everything() {
    let server = Server::start(|_, _| {}).await;
    server.toolcrib.file("hello.wasm", "broken");
    let mut text = server.text();
    text.components += "\nprefix = \"new_\"";
    let lines = server.refuse(&text, 1).await;
    assert!(lines[0].contains("hello.wasm"), "{lines:?}");
    assert_eq!(
        server.client().call("hello", json!({})).await.text(),
        "hello"
    );
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let guest = Guest::saying("hello", &since.as_nanos().to_string());
    server.toolcrib.write("hello", &guest.component());
    server.take_in(&text).await;
    assert_eq!(server.tools().await, ["new_hello"]);
}
