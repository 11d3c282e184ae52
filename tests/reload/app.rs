//! The reload API of [`App`] for programs that embed Toolcrib.

use std::fs;
use std::path::Path;

use toolcrib::App;
use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::{wait_until, write_tool};
use crate::support::guest::{Guest, Prompt, Tool};
use crate::support::server::{config, write};

/// The watcher does not keep the application alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_app_releases_everything() {
    let (dir, mut config) = config(&[]);
    write_tool(dir.path(), "one");
    let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
    config.watch = WatchMode::Directories;
    let app = App::build(config).await.unwrap();
    let catalog = std::sync::Arc::downgrade(&app.catalog());
    drop(app);
    wait_until("the release of the catalog", async || {
        catalog.upgrade().is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reload_applies_changes_and_returns_all_problems() {
    let (dir, mut config) = config(&[("a", &Guest::saying("a", "one"))]);
    let app = App::build(config.clone()).await.unwrap();
    let tool_names = |app: &App| -> Vec<String> {
        let catalog = app.catalog();
        catalog.tools().map(|tool| tool.name.clone()).collect()
    };
    let before = app.catalog();
    assert!(app.reload().await.is_empty());
    assert!(
        std::sync::Arc::ptr_eq(&before, &app.catalog()),
        "the catalog changed without a change of files"
    );
    write(dir.path(), "a", &Guest::saying("b", "two").component());
    assert!(app.reload().await.is_empty());
    assert_eq!(tool_names(&app), ["b"]);
    fs::write(dir.path().join("a.wasm"), "rubbish").unwrap();
    // Each call returns the problem again.
    for _ in 0..2 {
        let problems = app.reload().await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().contains("a.wasm"), "{problems:?}");
        assert_eq!(tool_names(&app), ["b"]);
    }
    fs::remove_file(dir.path().join("a.wasm")).unwrap();
    assert_eq!(app.reload().await.len(), 1);
    assert_eq!(tool_names(&app), [""; 0]);
    // Without any component the start fails, unless `keep_going` is set.
    assert!(App::build(config.clone()).await.is_err());
    config.keep_going = true;
    let app = App::build(config).await.unwrap();
    assert_eq!(tool_names(&app), [""; 0]);
}

/// If changes of one scan conflict with each other, everything that was served stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicting_changes_lose_nothing_that_is_served() {
    let dir = tempfile::tempdir().unwrap();
    for (name, tool) in [("a", "x"), ("b", "y")] {
        write(dir.path(), name, &Guest::saying(tool, name).component());
    }
    let (_, mut config) = config(&[]);
    let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
    let app = App::build(config).await.unwrap();
    // A new component needs the name `x`, which a new version of `a` gives up. That version conflicts with `b`, so `a`
    // keeps its old version and `x`, and nothing of the new component is served.
    let mut blocked = Guest::saying("fresh", "0");
    blocked.tool(Tool::new("x"), "unreachable");
    blocked.prompt(Prompt::new("ask"), "unreachable");
    write(dir.path(), "0", &blocked.component());
    write(dir.path(), "a", &Guest::saying("y", "2").component());
    // Another new component is served with the names that the blocked one would have had.
    let mut accepted = Guest::saying("fresh", "c");
    accepted.prompt(Prompt::new("ask"), "unreachable");
    write(dir.path(), "c", &accepted.component());
    // In the second scan the blocked component conflicts with the accepted one too.
    for count in [2, 4] {
        let problems = app.reload().await;
        assert_eq!(problems.len(), count, "{problems:?}");
        let catalog = app.catalog();
        let served: Vec<_> = catalog
            .components()
            .iter()
            .map(|c| c.component.name.as_str())
            .collect();
        assert_eq!(served, ["a", "b", "c"]);
        let tools: Vec<_> = catalog
            .tools()
            .map(|tool| (tool.name.as_str(), tool.component().name.as_str()))
            .collect();
        assert_eq!(tools, [("fresh", "c"), ("x", "a"), ("y", "b")]);
        assert_eq!(catalog.prompts().len(), 1);
    }
}
