//! The assignment of `[[component]]` sections to files that are added and removed.

use std::fs;
use std::os::unix::fs::symlink;

use super::{
    ready_problems, start_configured, tool_names, wait_for_no_problems, wait_for_problem,
    wait_for_tools, wait_until, write_tool,
};
use crate::support::guest::{Guest, Tool};
use crate::support::server::write;

/// A component that is added later is never served without its settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_components_get_their_settings() {
    let dir = tempfile::tempdir().unwrap();
    write_tool(&dir.path().join("tools"), "one");
    let text = "components = [\"tools/\"]\n[[component]]\nref = \"tools/new*.wasm\"\nname = \"new\"\n\
                [component.tool.second]\nrename = \"renamed\"";
    let host = start_configured(dir, text).await;
    let client = host.client();
    wait_for_problem(&host, &["tools/new*.wasm", "names no component"]).await;
    let tools = host.dir().join("tools");
    write(&tools, "new1", &Guest::saying("second", "1").component());
    wait_for_tools(&client, &["renamed", "tool"]).await;
    wait_for_no_problems(&host).await;
    // With two matches the settings are ambiguous.
    write(&tools, "new2", &Guest::saying("third", "2").component());
    wait_for_problem(&host, &["tools/new*.wasm", "names 2 components"]).await;
    assert_eq!(tool_names(&client).await, ["renamed", "tool"]);
}

/// A component is not added if it makes settings ambiguous: it could be served with wrong settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_settings_keep_what_is_served() {
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
        let section =
            |reference| format!("[[component]]\nref = \"tools/{reference}\"\nprefix = \"p_\"\n");
        let text = format!(
            "components = [\"tools/\"]\n{}{}",
            section(settings[0]),
            section(settings[1])
        );
        let host = start_configured(dir, &text).await;
        let client = host.client();
        let before = tool_names(&client).await;
        assert!(before.contains(&"p_second".to_owned()), "{before:?}");
        write(&tools, "new2", &Guest::saying("third", "2").component());
        wait_until(problem, async || {
            let problems = ready_problems(&host).await;
            problems.iter().any(|line| line.contains(problem))
        })
        .await;
        assert_eq!(tool_names(&client).await, before);
    }
}

/// Settings for a link apply to its current target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_follow_a_replaced_link() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for name in ["a", "b"] {
        write(&tools, name, &Guest::saying(name, name).component());
    }
    symlink("tools/a.wasm", dir.path().join("current.wasm")).unwrap();
    let text =
        "components = [\"tools/\"]\n[[component]]\nref = \"current.wasm\"\nprefix = \"p_\"\n";
    let host = start_configured(dir, text).await;
    let client = host.client();
    wait_for_tools(&client, &["b", "p_a"]).await;
    symlink("tools/b.wasm", host.dir().join("link")).unwrap();
    fs::rename(host.dir().join("link"), host.dir().join("current.wasm")).unwrap();
    wait_for_tools(&client, &["a", "p_b"]).await;
    wait_for_no_problems(&host).await;
}

/// Two components with the same name would share their key-value data, so the second one is not served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_component_with_the_same_data_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let section = |name: &str| {
        format!(
            "[[component]]\nref = \"{name}.wasm\"\nname = \"same\"\n[component.allow]\nkv = [\"cache\"]\n"
        )
    };
    let text = format!("[kv]\nurl = \"data\"\n{}{}", section("0"), section("a"));
    write(dir.path(), "a", &Guest::saying("a", "a").component());
    let host = start_configured(dir, &text).await;
    let client = host.client();
    wait_for_problem(&host, &["`0.wasm`"]).await;
    write(host.dir(), "0", &Guest::saying("0", "0").component());
    wait_for_problem(&host, &["called `same`"]).await;
    assert_eq!(tool_names(&client).await, ["a"]);
}
