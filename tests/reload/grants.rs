//! A component with grants that is not pinned keeps them whatever its file becomes. The log says when that happens.

use std::sync::{Arc, Mutex};

use super::{client, until, until_says};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed() {
    let place = Toolcrib::new();
    let write = |name: &str, text: &str| {
        let bytes = Guest::saying(name, text).component();
        place.write(name, &bytes);
        toolcrib::component::digest(&bytes)
    };
    let first = write("granted", "one");
    write("bare", "one");
    place.file(
        "c.toml",
        "[telemetry]\nlog = \"json\"\n[[component]]\nref = \"bare.wasm\"\n[[component]]\nref = \"granted.wasm\"\n\
         [component.allow]\nhttp = [\"https://api.example.com\"]\nenv = { KEY = \"s3cret\" }\n",
    );
    let mut command = place.command(&["serve", "--no-auth", "--watch", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let said = heard.clone();
    let process = Process::start_heard(command, move |line| {
        said.lock().unwrap().push(line.to_owned());
    });
    let client = client(&process);
    let warned = || -> Vec<serde_json::Value> {
        let lines = heard.lock().unwrap();
        let lines = lines
            .iter()
            .filter(|line| line.contains("keeps its grants"));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    write("bare", "two");
    until_says(&client, "bare", "two").await;
    let second = write("granted", "two");
    until_says(&client, "granted", "two").await;
    // Also when it was away in between.
    std::fs::remove_file(place.path().join("granted.wasm")).unwrap();
    super::until_names(&client, &["bare"]).await;
    let third = write("granted", "three");
    until_says(&client, "granted", "three").await;
    until("two warnings", async || warned().len() >= 2).await;
    let warned = warned();
    assert_eq!(warned.len(), 2, "{warned:?}");
    for (line, (before, now)) in warned.iter().zip([(&first, &second), (&second, &third)]) {
        assert_eq!(line["level"], "WARN", "{line}");
        assert_eq!(line["component.name"], "granted", "{line}");
        assert_eq!(line["component.digest.before"], **before, "{line}");
        assert_eq!(line["component.digest"], **now, "{line}");
        assert_eq!(line["component.grants"], "http, env", "{line}");
    }
    let all = heard.lock().unwrap().join("\n");
    assert!(!all.contains("s3cret"), "{all}");
}
