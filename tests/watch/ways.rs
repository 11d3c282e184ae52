//! The ways in which a file system changes what a reference names, and which of them are followed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use toolcrib::App;
use toolcrib::config::{Changes, Overrides};
use toolcrib::reference::Reference;

use super::{names, until_names, until_problem, until_ready, until_says};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::server::{Host, config, write};

/// Serves what these references name below the directory.
async fn serve(dir: TempDir, references: &[&str], changes: Changes) -> Host {
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

fn tools(dir: &Path, text: &str) {
    fs::create_dir_all(dir).unwrap();
    write(dir, "tool", &guest(text));
}

/// A directory that goes and comes back, and one that takes another's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories() {
    let dir = tempfile::tempdir().unwrap();
    tools(&dir.path().join("above/tools"), "one");
    let host = serve(dir, &["above/tools/"], Changes::OfDirectories).await;
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
    let host = serve(dir, &["current/"], Changes::OfDirectories).await;
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
        let host = serve(dir, &[pattern], Changes::OfDirectories).await;
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
    for changes in [Changes::OfDirectories, Changes::OfEverything] {
        let dir = tempfile::tempdir().unwrap();
        tools(dir.path(), "one");
        let more = dir.path().join("more");
        fs::create_dir(&more).unwrap();
        write(&more, "a", &Guest::saying("a", "a").component());
        let host = serve(dir, &["tool.wasm", "more/"], changes).await;
        let client = host.client();
        write(host.dir(), "tool", &guest("two"));
        if changes == Changes::OfEverything {
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
    let host = serve(dir, &["."], Changes::OfDirectories).await;
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
        let host = serve(dir, &references, Changes::OfDirectories).await;
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
    let host = serve(dir, &["a.wasm#a", "b.wasm#b"], Changes::OfEverything).await;
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
    let host = serve(dir, &["*.wasm#tool"], Changes::OfDirectories).await;
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

/// Nothing is served with the settings of nobody, or of somebody else, where it is not clear whose it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unclear_settings() {
    for (settings, problem) in [
        (
            ["new*.wasm#second", "other.wasm"],
            "`tools/new*.wasm#second` names 2 components",
        ),
        (
            ["new*.wasm", "*2.wasm"],
            "`tools/new*.wasm` and `tools/*2.wasm` have a [[component]] each",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        fs::create_dir(&tools).unwrap();
        let mut first = Guest::saying("second", "1");
        let text = first.string("more");
        first.tool(Tool::new("more"), format!("(call $text {text})"));
        write(&tools, "new1", &first.component());
        write(&tools, "other", &Guest::saying("other", "0").component());
        let file = dir.path().join("toolcrib.toml");
        let of =
            |reference| format!("[[component]]\nref = \"tools/{reference}\"\nprefix = \"p_\"\n");
        let text = format!(
            "components = [\"tools/\"]\n{}{}",
            of(settings[0]),
            of(settings[1])
        );
        fs::write(&file, text).unwrap();
        let overrides = Overrides {
            file: Some(file),
            no_auth: true,
            keep_going: true,
            ..Overrides::default()
        };
        let mut config = toolcrib::config::Config::load(&overrides).unwrap();
        config.cache = None;
        config.server.max_concurrent_calls = 4;
        let host = Host::run(dir, config).await;
        let client = host.client();
        let before = names(&client).await;
        assert!(before.contains(&"p_second".to_owned()), "{before:?}");
        write(&tools, "new2", &Guest::saying("third", "2").component());
        super::until(problem, async || {
            let found = super::problems(&host).await;
            found.iter().any(|line| line.contains(problem))
        })
        .await;
        assert_eq!(names(&client).await, before);
    }
}

/// Who lets go of the application lets go of everything in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn let_go() {
    let (dir, mut config) = config(&[]);
    tools(dir.path(), "one");
    let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
    config.changes = Changes::OfDirectories;
    let app = App::build(config).await.unwrap();
    let catalog = std::sync::Arc::downgrade(&app.catalog());
    drop(app);
    super::until("nobody has the catalog", async || {
        catalog.upgrade().is_none()
    })
    .await;
}

/// A file that comes later gets its settings with it, and none is served without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings() {
    let dir = tempfile::tempdir().unwrap();
    tools(&dir.path().join("tools"), "one");
    let file = dir.path().join("toolcrib.toml");
    let text = "components = [\"tools/\"]\n[[component]]\nref = \"tools/new*.wasm\"\nname = \"new\"\n\
                [component.tool.second]\nrename = \"renamed\"";
    fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        no_auth: true,
        keep_going: true,
        ..Overrides::default()
    };
    let mut config = toolcrib::config::Config::load(&overrides).unwrap();
    config.cache = None;
    config.server.max_concurrent_calls = 4;
    let host = Host::run(dir, config).await;
    let client = host.client();
    until_problem(&host, &["tools/new*.wasm", "names no component"]).await;
    let tools = host.dir().join("tools");
    write(&tools, "new1", &Guest::saying("second", "1").component());
    until_names(&client, &["renamed", "tool"]).await;
    until_ready(&host).await;
    // With a second one it is no longer clear whose they are.
    write(&tools, "new2", &Guest::saying("third", "2").component());
    until_problem(&host, &["tools/new*.wasm", "names 2 components"]).await;
    assert_eq!(names(&client).await, ["renamed", "tool"]);
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
