//! Whose settings a file has, while files come and go.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use toolcrib::config::{Overrides, WatchMode};

use super::ways::tools;
use super::{names, until_names, until_problem, until_ready};
use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, write};

/// Serves as this configuration says, also without what is broken at the start.
pub(super) async fn configured(dir: TempDir, text: &str) -> Host {
    let file = dir.path().join("toolcrib.toml");
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
    config.changes = WatchMode::Everything;
    Host::run(dir, config).await
}

/// A file that comes later gets its settings with it, and none is served without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings() {
    let dir = tempfile::tempdir().unwrap();
    tools(&dir.path().join("tools"), "one");
    let text = "components = [\"tools/\"]\n[[component]]\nref = \"tools/new*.wasm\"\nname = \"new\"\n\
                [component.tool.second]\nrename = \"renamed\"";
    let host = configured(dir, text).await;
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
        let of =
            |reference| format!("[[component]]\nref = \"tools/{reference}\"\nprefix = \"p_\"\n");
        let text = format!(
            "components = [\"tools/\"]\n{}{}",
            of(settings[0]),
            of(settings[1])
        );
        let host = configured(dir, &text).await;
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

/// Settings stay where they are said: a link takes them along to what it leads to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for name in ["a", "b"] {
        write(&tools, name, &Guest::saying(name, name).component());
    }
    symlink("tools/a.wasm", dir.path().join("current.wasm")).unwrap();
    let text =
        "components = [\"tools/\"]\n[[component]]\nref = \"current.wasm\"\nprefix = \"p_\"\n";
    let host = configured(dir, text).await;
    let client = host.client();
    until_names(&client, &["b", "p_a"]).await;
    symlink("tools/b.wasm", host.dir().join("link")).unwrap();
    fs::rename(host.dir().join("link"), host.dir().join("current.wasm")).unwrap();
    until_names(&client, &["a", "p_b"]).await;
    until_ready(&host).await;
}

/// Of two that would share what they keep, the one stays that was served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepers() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| {
        format!(
            "[[component]]\nref = \"{name}.wasm\"\nname = \"same\"\n[component.allow]\nkv = [\"cache\"]\n"
        )
    };
    let text = format!("[kv]\nurl = \"data\"\n{}{}", of("0"), of("a"));
    write(dir.path(), "a", &Guest::saying("a", "a").component());
    let host = configured(dir, &text).await;
    let client = host.client();
    until_problem(&host, &["`0.wasm`"]).await;
    write(host.dir(), "0", &Guest::saying("0", "0").component());
    until_problem(&host, &["called `same`"]).await;
    assert_eq!(names(&client).await, ["a"]);
}
