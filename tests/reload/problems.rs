//! The problems of reloads that `/readyz` lists.

use std::fs;

use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::{
    ready_problems, start_configured, tool_component, wait_for_problem, wait_for_text, write_tool,
};
use crate::support::server::{Host, config, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_problems_are_truncated() {
    let dir = tempfile::tempdir().unwrap();
    write_tool(dir.path(), "one");
    let long_reference = "long/".repeat(600);
    let text = format!("components = [\"tool.wasm\", \"{long_reference}\"]\n");
    let host = start_configured(dir, &text).await;
    let problems = ready_problems(&host).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].len(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_of_unwatched_references_stay_after_a_reload() {
    let (dir, mut config) = config(&[]);
    fs::write(dir.path().join("bad.wasm"), "rubbish").unwrap();
    write_tool(&dir.path().join("more"), "one");
    config.keep_going = true;
    config.watch = WatchMode::Directories;
    for text in ["bad.wasm", "more/"] {
        let reference = Reference::parse(text, dir.path()).unwrap();
        config.references.push(reference);
    }
    let host = Host::run(dir, config).await;
    wait_for_problem(&host, &["bad.wasm"]).await;
    write(&host.dir().join("more"), "tool", &tool_component("two"));
    wait_for_text(&host.client(), "tool", "two").await;
    wait_for_problem(&host, &["bad.wasm"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_listed_problems_is_limited() {
    const MAX_PROBLEMS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    write_tool(dir.path(), "one");
    let missing: String = (0..MAX_PROBLEMS + 1)
        .map(|n| format!(", \"missing{n}\""))
        .collect();
    let text = format!("components = [\"tool.wasm\"{missing}]\n");
    let host = start_configured(dir, &text).await;
    let problems = ready_problems(&host).await;
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
    assert!(
        problems[MAX_PROBLEMS - 1].contains("`missing"),
        "{problems:?}"
    );
    assert_eq!(problems[MAX_PROBLEMS], "and more, which the log has");
}
