//! The file system changes that are detected for each kind of reference: directories, links, patterns and files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::{
    tool_component, wait_for_no_problems, wait_for_problem, wait_for_text, wait_for_tools,
    write_tool,
};
use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, config, write};

/// Starts a host with these references, relative to the directory.
async fn start_host(dir: TempDir, references: &[&str], watch_mode: WatchMode) -> Host {
    let (_, mut config) = config(&[]);
    config.watch = watch_mode;
    for text in references {
        let reference = Reference::parse(text, dir.path()).unwrap();
        config.references.push(reference);
    }
    Host::run(dir, config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_recreated_and_renamed_directories_are_detected() {
    let dir = tempfile::tempdir().unwrap();
    write_tool(&dir.path().join("parent/tools"), "one");
    let host = start_host(dir, &["parent/tools/"], WatchMode::Directories).await;
    let (client, parent) = (host.client(), host.dir().join("parent"));
    for (round, text) in [(0, "two"), (1, "three")] {
        // First the directory is removed, then its parent.
        let removed = if round == 0 {
            parent.join("tools")
        } else {
            parent.clone()
        };
        fs::remove_dir_all(removed).unwrap();
        wait_for_tools(&client, &[]).await;
        wait_for_problem(&host, &["parent/tools/", "no such"]).await;
        write_tool(&parent.join("tools"), text);
        wait_for_text(&client, "tool", text).await;
        wait_for_no_problems(&host).await;
    }
    write_tool(&host.dir().join("next/tools"), "four");
    fs::rename(&parent, host.dir().join("old")).unwrap();
    fs::rename(host.dir().join("next"), &parent).unwrap();
    wait_for_text(&client, "tool", "four").await;
    // The directory that is now at this path is watched.
    write(&parent.join("tools"), "tool", &tool_component("five"));
    wait_for_text(&client, "tool", "five").await;
}

/// Kubernetes mounts config maps this way: `..data` is a link to the current directory, and is replaced atomically.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_symbolic_links_are_detected() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = dir.path().join("mounted");
    write_tool(&mounted.join("..1"), "one");
    symlink("..1", mounted.join("..data")).unwrap();
    symlink("..data/tool.wasm", mounted.join("tool.wasm")).unwrap();
    // The reference itself leads through another link.
    symlink("mounted", dir.path().join("current")).unwrap();
    let host = start_host(dir, &["current/"], WatchMode::Directories).await;
    let client = host.client();
    let mounted = host.dir().join("mounted");
    let swap = |to: &str, link: &Path| {
        symlink(to, host.dir().join("link")).unwrap();
        fs::rename(host.dir().join("link"), link).unwrap();
    };
    for (version, text) in [("..2", "two"), ("..3", "three")] {
        write_tool(&mounted.join(version), text);
        swap(version, &mounted.join("..data"));
        wait_for_text(&client, "tool", text).await;
    }
    // If the new version is invalid, the old one stays served, although its file is at another path.
    fs::create_dir(mounted.join("..4")).unwrap();
    fs::write(mounted.join("..4/tool.wasm"), "rubbish").unwrap();
    swap("..4", &mounted.join("..data"));
    wait_for_problem(&host, &["tool.wasm"]).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "three");
    write_tool(&host.dir().join("other"), "five");
    swap("other", &host.dir().join("current"));
    wait_for_text(&client, "tool", "five").await;
    wait_for_no_problems(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_matches_of_patterns_are_detected() {
    for pattern in ["*/tool-*.wasm", "**/tool-*.wasm", "[s]et*/tool-?.wasm"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("set-1")).unwrap();
        write(&dir.path().join("set-1"), "tool-1", &tool_component("one"));
        let host = start_host(dir, &[pattern], WatchMode::Directories).await;
        let client = host.client();
        write(&host.dir().join("set-1"), "tool-1", &tool_component("two"));
        wait_for_text(&client, "tool", "two").await;
        // A new directory, and files that are added to it later.
        fs::create_dir(host.dir().join("set-2")).unwrap();
        let second = Guest::saying("second", "hello").component();
        write(&host.dir().join("set-2"), "tool-2", &second);
        write(&host.dir().join("set-2"), "other", &tool_component("no"));
        wait_for_tools(&client, &["second", "tool"]).await;
        if pattern.starts_with("**") {
            let deep = host.dir().join("set-2/more");
            fs::create_dir(&deep).unwrap();
            wait_for_tools(&client, &["second", "tool"]).await;
            write(&deep, "tool-3", &Guest::saying("deep", "hello").component());
            wait_for_tools(&client, &["deep", "second", "tool"]).await;
            fs::remove_dir_all(deep).unwrap();
        }
        fs::remove_dir_all(host.dir().join("set-1")).unwrap();
        wait_for_tools(&client, &["second"]).await;
        wait_for_no_problems(&host).await;
    }
}

/// References to files are watched only with [`WatchMode::Everything`]. Otherwise they keep their version when watched
/// directories change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_watched_on_request_only() {
    for watch_mode in [WatchMode::Directories, WatchMode::Everything] {
        let dir = tempfile::tempdir().unwrap();
        write_tool(dir.path(), "one");
        let more = dir.path().join("more");
        fs::create_dir(&more).unwrap();
        write(&more, "a", &Guest::saying("a", "a").component());
        let host = start_host(dir, &["tool.wasm", "more/"], watch_mode).await;
        let client = host.client();
        write(host.dir(), "tool", &tool_component("two"));
        if watch_mode == WatchMode::Everything {
            wait_for_text(&client, "tool", "two").await;
            fs::remove_file(host.dir().join("tool.wasm")).unwrap();
            wait_for_tools(&client, &["a"]).await;
            wait_for_problem(&host, &["tool.wasm", "no such"]).await;
            continue;
        }
        write(
            &host.dir().join("more"),
            "b",
            &Guest::saying("b", "b").component(),
        );
        wait_for_tools(&client, &["a", "b", "tool"]).await;
        assert_eq!(client.call("tool", json!({})).await.text(), "one");
        fs::remove_file(host.dir().join("tool.wasm")).unwrap();
        fs::remove_file(host.dir().join("more/b.wasm")).unwrap();
        wait_for_tools(&client, &["a", "tool"]).await;
        wait_for_no_problems(&host).await;
    }
}

/// Circular links are ignored until they lead to a component.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circular_links_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    write_tool(dir.path(), "one");
    symlink("b.wasm", dir.path().join("a.wasm")).unwrap();
    symlink("a.wasm", dir.path().join("b.wasm")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let host = start_host(dir, &["."], WatchMode::Directories).await;
    let client = host.client();
    wait_for_tools(&client, &["tool"]).await;
    symlink("out/a.wasm", host.dir().join("link")).unwrap();
    fs::rename(host.dir().join("link"), host.dir().join("b.wasm")).unwrap();
    // Both links lead to one file, so it is served once.
    let second = Guest::saying("second", "hello").component();
    write(&host.dir().join("out"), "a", &second);
    wait_for_tools(&client, &["second", "tool"]).await;
    wait_for_no_problems(&host).await;
}

/// A file that several references name is watched if one of them is, and serves the tools that any of them selects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_references_to_one_file_are_merged() {
    for references in [["more/a.wasm", "more/"], ["more/", "more/a.wasm"]] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("more")).unwrap();
        write(
            &dir.path().join("more"),
            "a",
            &Guest::saying("a", "one").component(),
        );
        let host = start_host(dir, &references, WatchMode::Directories).await;
        let client = host.client();
        write(
            &host.dir().join("more"),
            "a",
            &Guest::saying("a", "two").component(),
        );
        wait_for_text(&client, "a", "two").await;
    }
    // After one name is removed, the other still selects its tool.
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::saying("a", "a");
    let text = guest.string("b");
    guest.tool(Tool::new("b"), format!("(call $text {text})"));
    write(dir.path(), "a", &guest.component());
    symlink("a.wasm", dir.path().join("b.wasm")).unwrap();
    let host = start_host(dir, &["a.wasm#a", "b.wasm#b"], WatchMode::Everything).await;
    let client = host.client();
    wait_for_tools(&client, &["a", "b"]).await;
    fs::remove_file(host.dir().join("b.wasm")).unwrap();
    wait_for_tools(&client, &["a"]).await;
}

/// `pattern#tool` must match one component. If another match is added, the first one stays served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_tool_references_keep_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    write_tool(dir.path(), "one");
    let host = start_host(dir, &["*.wasm#tool"], WatchMode::Directories).await;
    let client = host.client();
    write(
        host.dir(),
        "second",
        &Guest::saying("tool", "2").component(),
    );
    wait_for_problem(&host, &["`*.wasm#tool` names 2 components"]).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
    fs::remove_file(host.dir().join("second.wasm")).unwrap();
    wait_for_no_problems(&host).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
}
