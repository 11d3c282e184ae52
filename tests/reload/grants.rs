//! A component that is not pinned to a digest keeps its grants when its file changes, and the log warns about that.

use std::sync::{Arc, Mutex};

use super::{client_of, wait_for_text, wait_for_tools, wait_until};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_components_with_grants_are_logged() {
    let dir = Toolcrib::new();
    let write = |name: &str, text: &str| {
        let bytes = Guest::saying(name, text).component();
        dir.write(name, &bytes);
        toolcrib::component::digest(&bytes)
    };
    let first = write("granted", "one");
    write("without-grants", "one");
    dir.file(
        "c.toml",
        "[telemetry]\nlog = \"json\"\n[[component]]\nref = \"without-grants.wasm\"\n[[component]]\nref = \"granted.wasm\"\n\
         [component.allow]\nhttp = [\"https://api.example.com\"]\nenv = { KEY = \"s3cret\" }\n",
    );
    let mut command = dir.command(&["serve", "--no-auth", "--watch", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let log = Arc::new(Mutex::new(Vec::new()));
    let captured = log.clone();
    let process = Process::start_heard(command, move |line| {
        captured.lock().unwrap().push(line.to_owned());
    });
    let client = client_of(&process);
    let warnings = || -> Vec<serde_json::Value> {
        let lines = log.lock().unwrap();
        let lines = lines
            .iter()
            .filter(|line| line.contains("keeps its grants"));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    write("without-grants", "two");
    wait_for_text(&client, "without-grants", "two").await;
    let second = write("granted", "two");
    wait_for_text(&client, "granted", "two").await;
    // Also if the file was removed in between.
    std::fs::remove_file(dir.path().join("granted.wasm")).unwrap();
    wait_for_tools(&client, &["without-grants"]).await;
    let third = write("granted", "three");
    wait_for_text(&client, "granted", "three").await;
    wait_until("two warnings", async || warnings().len() >= 2).await;
    let warnings = warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (line, (before, now)) in warnings.iter().zip([(&first, &second), (&second, &third)]) {
        assert_eq!(line["level"], "WARN", "{line}");
        assert_eq!(line["component.name"], "granted", "{line}");
        assert_eq!(line["component.digest.before"], **before, "{line}");
        assert_eq!(line["component.digest"], **now, "{line}");
        assert_eq!(line["component.grants"], "http, env", "{line}");
    }
    let all = log.lock().unwrap().join("\n");
    assert!(!all.contains("s3cret"), "{all}");
}
