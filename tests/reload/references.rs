//! The ways in which a file system changes what a reference names, and which of them are followed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use toolcrib::App;
use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::settings::configured;
use super::{until_names, until_problem, until_ready, until_says};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Prompt, Tool};
use crate::support::process::Process;
use crate::support::server::{Host, config, write};

/// Serves what these references name below the directory.
async fn serve(dir: TempDir, references: &[&str], changes: WatchMode) -> Host {
    let (_, mut config) = config(&[]);
    config.changes = changes;
    for text in references {
        let reference = Reference::parse(text, dir.path()).unwrap();
        config.references.push(reference);
    }
    Host::run(dir, config).await
}

fn guest(text: &str) -> Vec<u8> {
    Guest::saying("tool", text).component()
}

pub(super) fn tools(dir: &Path, text: &str) {
    fs::create_dir_all(dir).unwrap();
    write(dir, "tool", &guest(text));
}

/// A directory that goes and comes back, and one that takes another's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories() {
    let dir = tempfile::tempdir().unwrap();
    tools(&dir.path().join("above/tools"), "one");
    let host = serve(dir, &["above/tools/"], WatchMode::Directories).await;
    let (client, above) = (host.client(), host.dir().join("above"));
    for (round, text) in [(0, "two"), (1, "three")] {
        // Of one that is gone, and of one whose parent is.
        let gone = if round == 0 {
            above.join("tools")
        } else {
            above.clone()
        };
        fs::remove_dir_all(gone).unwrap();
        until_names(&client, &[]).await;
        until_problem(&host, &["above/tools/", "no such"]).await;
        tools(&above.join("tools"), text);
        until_says(&client, "tool", text).await;
        until_ready(&host).await;
    }
    tools(&host.dir().join("next/tools"), "four");
    fs::rename(&above, host.dir().join("old")).unwrap();
    fs::rename(host.dir().join("next"), &above).unwrap();
    until_says(&client, "tool", "four").await;
    // What it was is no longer watched, what it is now is.
    write(&above.join("tools"), "tool", &guest("five"));
    until_says(&client, "tool", "five").await;
}

/// As Kubernetes mounts a config map: `..data` leads to the directory of the day, and is swapped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapped_links() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = dir.path().join("mounted");
    tools(&mounted.join("..1"), "one");
    symlink("..1", mounted.join("..data")).unwrap();
    symlink("..data/tool.wasm", mounted.join("tool.wasm")).unwrap();
    // Another one is led to through a link above it.
    symlink("mounted", dir.path().join("current")).unwrap();
    let host = serve(dir, &["current/"], WatchMode::Directories).await;
    let client = host.client();
    let mounted = host.dir().join("mounted");
    let swap = |to: &str, link: &Path| {
        symlink(to, host.dir().join("link")).unwrap();
        fs::rename(host.dir().join("link"), link).unwrap();
    };
    for (version, text) in [("..2", "two"), ("..3", "three")] {
        tools(&mounted.join(version), text);
        swap(version, &mounted.join("..data"));
        until_says(&client, "tool", text).await;
    }
    // A broken version leaves the old one, though that one's file is elsewhere.
    fs::create_dir(mounted.join("..4")).unwrap();
    fs::write(mounted.join("..4/tool.wasm"), "rubbish").unwrap();
    swap("..4", &mounted.join("..data"));
    until_problem(&host, &["tool.wasm"]).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "three");
    tools(&host.dir().join("other"), "five");
    swap("other", &host.dir().join("current"));
    until_says(&client, "tool", "five").await;
    until_ready(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns() {
    for pattern in ["*/tool-*.wasm", "**/tool-*.wasm", "[s]et*/tool-?.wasm"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("set-1")).unwrap();
        write(&dir.path().join("set-1"), "tool-1", &guest("one"));
        let host = serve(dir, &[pattern], WatchMode::Directories).await;
        let client = host.client();
        write(&host.dir().join("set-1"), "tool-1", &guest("two"));
        until_says(&client, "tool", "two").await;
        // A directory that was not there, and what comes into it later.
        fs::create_dir(host.dir().join("set-2")).unwrap();
        let second = Guest::saying("second", "hello").component();
        write(&host.dir().join("set-2"), "tool-2", &second);
        write(&host.dir().join("set-2"), "other", &guest("no"));
        until_names(&client, &["second", "tool"]).await;
        if pattern.starts_with("**") {
            let deep = host.dir().join("set-2/more");
            fs::create_dir(&deep).unwrap();
            until_names(&client, &["second", "tool"]).await;
            write(&deep, "tool-3", &Guest::saying("deep", "hello").component());
            until_names(&client, &["deep", "second", "tool"]).await;
            fs::remove_dir_all(deep).unwrap();
        }
        fs::remove_dir_all(host.dir().join("set-1")).unwrap();
        until_names(&client, &["second"]).await;
        until_ready(&host).await;
    }
}

/// Files are followed where that is asked for; what is not followed does not change beside what is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files() {
    for changes in [WatchMode::Directories, WatchMode::Everything] {
        let dir = tempfile::tempdir().unwrap();
        tools(dir.path(), "one");
        let more = dir.path().join("more");
        fs::create_dir(&more).unwrap();
        write(&more, "a", &Guest::saying("a", "a").component());
        let host = serve(dir, &["tool.wasm", "more/"], changes).await;
        let client = host.client();
        write(host.dir(), "tool", &guest("two"));
        if changes == WatchMode::Everything {
            until_says(&client, "tool", "two").await;
            fs::remove_file(host.dir().join("tool.wasm")).unwrap();
            until_names(&client, &["a"]).await;
            until_problem(&host, &["tool.wasm", "no such"]).await;
            continue;
        }
        write(
            &host.dir().join("more"),
            "b",
            &Guest::saying("b", "b").component(),
        );
        until_names(&client, &["a", "b", "tool"]).await;
        assert_eq!(client.call("tool", json!({})).await.text(), "one");
        fs::remove_file(host.dir().join("tool.wasm")).unwrap();
        fs::remove_file(host.dir().join("more/b.wasm")).unwrap();
        until_names(&client, &["a", "tool"]).await;
        until_ready(&host).await;
    }
}

/// A link that leads to itself is none of a component, until it leads to one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_circles() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path(), "one");
    symlink("b.wasm", dir.path().join("a.wasm")).unwrap();
    symlink("a.wasm", dir.path().join("b.wasm")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let host = serve(dir, &["."], WatchMode::Directories).await;
    let client = host.client();
    until_names(&client, &["tool"]).await;
    symlink("out/a.wasm", host.dir().join("link")).unwrap();
    fs::rename(host.dir().join("link"), host.dir().join("b.wasm")).unwrap();
    // One of both, since both are one file.
    let second = Guest::saying("second", "hello").component();
    write(&host.dir().join("out"), "a", &second);
    until_names(&client, &["second", "tool"]).await;
    until_ready(&host).await;
}

/// A file that is named by itself and with its directory is followed with that, and serves what all of them select.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_twice() {
    for references in [["more/a.wasm", "more/"], ["more/", "more/a.wasm"]] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("more")).unwrap();
        write(
            &dir.path().join("more"),
            "a",
            &Guest::saying("a", "one").component(),
        );
        let host = serve(dir, &references, WatchMode::Directories).await;
        let client = host.client();
        write(
            &host.dir().join("more"),
            "a",
            &Guest::saying("a", "two").component(),
        );
        until_says(&client, "a", "two").await;
    }
    // What is left of the names selects what is left of the tools.
    let dir = tempfile::tempdir().unwrap();
    let mut two = Guest::saying("a", "a");
    let text = two.string("b");
    two.tool(Tool::new("b"), format!("(call $text {text})"));
    write(dir.path(), "a", &two.component());
    symlink("a.wasm", dir.path().join("b.wasm")).unwrap();
    let host = serve(dir, &["a.wasm#a", "b.wasm#b"], WatchMode::Everything).await;
    let client = host.client();
    until_names(&client, &["a", "b"]).await;
    fs::remove_file(host.dir().join("b.wasm")).unwrap();
    until_names(&client, &["a"]).await;
}

/// What a reference cannot name any more, though it is there, goes on as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_of_many() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path(), "one");
    let host = serve(dir, &["*.wasm#tool"], WatchMode::Directories).await;
    let client = host.client();
    write(
        host.dir(),
        "second",
        &Guest::saying("tool", "2").component(),
    );
    until_problem(&host, &["`*.wasm#tool` names 2 components"]).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
    fs::remove_file(host.dir().join("second.wasm")).unwrap();
    until_ready(&host).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
}

/// What comes in at once is arranged so that nothing is lost which was served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (name, tool) in [("a", "x"), ("b", "y")] {
        write(dir.path(), name, &Guest::saying(tool, name).component());
    }
    let (_, mut config) = config(&[]);
    let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
    let app = App::build(config).await.unwrap();
    // A newcomer takes the name that a new version gives up, which cannot come in: so neither can the newcomer, and nothing
    // of it does.
    let mut newcomer = Guest::saying("fresh", "0");
    newcomer.tool(Tool::new("x"), "unreachable");
    newcomer.prompt(Prompt::new("ask"), "unreachable");
    write(dir.path(), "0", &newcomer.component());
    write(dir.path(), "a", &Guest::saying("y", "2").component());
    // Another newcomer has what that one does not get.
    let mut other = Guest::saying("fresh", "c");
    other.prompt(Prompt::new("ask"), "unreachable");
    write(dir.path(), "c", &other.component());
    // At the second look that one clashes with what the other has got by now, too.
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

/// What is said of one problem has an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_names() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path(), "one");
    let long = "long/".repeat(600);
    let text = format!("components = [\"tool.wasm\", \"{long}\"]\n");
    let host = configured(dir, &text).await;
    let problems = super::problems(&host).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].len(), 2_000);
}

/// What is not followed is as broken as it was, whatever happens beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn still_broken() {
    let (dir, mut config) = config(&[]);
    fs::write(dir.path().join("bad.wasm"), "rubbish").unwrap();
    tools(&dir.path().join("more"), "one");
    config.keep_going = true;
    config.changes = WatchMode::Directories;
    for text in ["bad.wasm", "more/"] {
        let reference = Reference::parse(text, dir.path()).unwrap();
        config.references.push(reference);
    }
    let host = Host::run(dir, config).await;
    until_problem(&host, &["bad.wasm"]).await;
    write(&host.dir().join("more"), "tool", &guest("two"));
    until_says(&host.client(), "tool", "two").await;
    until_problem(&host, &["bad.wasm"]).await;
}

/// `/readyz` stays short, whatever is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_problems() {
    let dir = tempfile::tempdir().unwrap();
    tools(dir.path(), "one");
    const MAX: usize = 100;
    let missing: String = (0..MAX + 1).map(|n| format!(", \"missing{n}\"")).collect();
    let text = format!("components = [\"tool.wasm\"{missing}]\n");
    let host = configured(dir, &text).await;
    let problems = super::problems(&host).await;
    assert_eq!(problems.len(), MAX + 1);
    assert!(problems[MAX - 1].contains("`missing"), "{problems:?}");
    assert_eq!(problems[MAX], "and more, which the log has");
}

/// Who lets go of the application lets go of everything in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn let_go() {
    let (dir, mut config) = config(&[]);
    tools(dir.path(), "one");
    let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
    config.changes = WatchMode::Directories;
    let app = App::build(config).await.unwrap();
    let catalog = std::sync::Arc::downgrade(&app.catalog());
    drop(app);
    super::until("nobody has the catalog", async || {
        catalog.upgrade().is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand() {
    let (dir, mut config) = config(&[("a", &Guest::saying("a", "one"))]);
    let app = App::build(config.clone()).await.unwrap();
    let called = |app: &App| -> Vec<String> {
        let catalog = app.catalog();
        catalog.tools().map(|tool| tool.name.clone()).collect()
    };
    let before = app.catalog();
    assert!(app.reload().await.is_empty());
    assert!(
        std::sync::Arc::ptr_eq(&before, &app.catalog()),
        "nothing has changed"
    );
    write(dir.path(), "a", &Guest::saying("b", "two").component());
    assert!(app.reload().await.is_empty());
    assert_eq!(called(&app), ["b"]);
    fs::write(dir.path().join("a.wasm"), "rubbish").unwrap();
    // Again and again: the one who asks hears it each time.
    for _ in 0..2 {
        let problems = app.reload().await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().contains("a.wasm"), "{problems:?}");
        assert_eq!(called(&app), ["b"]);
    }
    fs::remove_file(dir.path().join("a.wasm")).unwrap();
    assert_eq!(app.reload().await.len(), 1);
    assert_eq!(called(&app), [""; 0]);
    // From nothing at all, where that is wanted.
    assert!(App::build(config.clone()).await.is_err());
    config.keep_going = true;
    let app = App::build(config).await.unwrap();
    assert_eq!(called(&app), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags() {
    for (flags, follows) in [
        (&["tools/"][..], true),
        (&["tools/", "--watch"], true),
        (&["tools/", "--no-watch"], false),
        (&["tools/", "--no-watch", "--watch"], true),
        (&["tools/tool.wasm"], false),
        (&["tools/tool.wasm", "--watch"], true),
    ] {
        let place = Toolcrib::new();
        tools(&place.path().join("tools"), "one");
        let mut command = place.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
        command.args(flags);
        let process = Process::start(command);
        let url = format!("http://{}/mcp", process.address);
        let client = Client::new(&url, Revision::July2026);
        let found = client.request("server/discover", json!({})).await;
        let can = &found.result()["capabilities"]["tools"];
        assert_eq!(can["listChanged"] == true, follows, "{flags:?}: {can}");
        if follows {
            write(&place.path().join("tools"), "tool", &guest("two"));
            until_says(&client, "tool", "two").await;
        }
    }
}

/// Broken ones end the start, unless it is to go on without them.
#[test]
fn keep_going() {
    let place = Toolcrib::new();
    place.write("good", &guest("one"));
    place.file("bad.wasm", "rubbish");
    for (arguments, status) in [
        (&["stdio", "good.wasm", "bad.wasm"][..], 1),
        (&["stdio", "good.wasm", "bad.wasm", "--keep-going"], 0),
        (&["stdio", "--keep-going"], 2),
    ] {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let ended = place.run_with(arguments, &format!("{hello}\n{list}\n"));
        assert_eq!(ended.status, status, "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        if status < 2 {
            assert!(ended.stderr.contains("bad.wasm"), "{ended:?}");
        }
    }
}
