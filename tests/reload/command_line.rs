//! The command-line flags for watching and for starting with broken components.

use serde_json::json;

use super::{tool_component, wait_for_text, write_tool};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::process::Process;
use crate::support::server::write;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_are_watched_by_default_and_files_on_request() {
    for (flags, is_watching) in [
        (&["tools/"][..], true),
        (&["tools/", "--watch"], true),
        (&["tools/", "--no-watch"], false),
        (&["tools/", "--no-watch", "--watch"], true),
        (&["tools/tool.wasm"], false),
        (&["tools/tool.wasm", "--watch"], true),
    ] {
        let dir = Toolcrib::new();
        write_tool(&dir.path().join("tools"), "one");
        let mut command = dir.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
        command.args(flags);
        let process = Process::start(command);
        let url = format!("http://{}/mcp", process.address);
        let client = Client::new(&url, Revision::July2026);
        let found = client.request("server/discover", json!({})).await;
        let capability = &found.result()["capabilities"]["tools"];
        assert_eq!(
            capability["listChanged"] == true,
            is_watching,
            "{flags:?}: {capability}"
        );
        if is_watching {
            write(&dir.path().join("tools"), "tool", &tool_component("two"));
            wait_for_text(&client, "tool", "two").await;
        }
    }
}

#[test]
fn invalid_components_fail_the_start_unless_keep_going_is_set() {
    let dir = Toolcrib::new();
    dir.write("good", &tool_component("one"));
    dir.file("bad.wasm", "rubbish");
    for (arguments, status) in [
        (&["stdio", "good.wasm", "bad.wasm"][..], 1),
        (&["stdio", "good.wasm", "bad.wasm", "--keep-going"], 0),
        (&["stdio", "--keep-going"], 2),
    ] {
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let ended = dir.run_with(arguments, &format!("{initialize}\n{list}\n"));
        assert_eq!(ended.status, status, "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        if status < 2 {
            assert!(ended.stderr.contains("bad.wasm"), "{ended:?}");
        }
    }
}

/// A new volume is empty. The server starts, says so, and serves the components that are put there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_directory_is_served_once_it_is_filled() {
    for (reference, tool) in [("tools/", "tool"), ("tools/*.wasm", "tool")] {
        let dir = Toolcrib::new();
        std::fs::create_dir(dir.path().join("tools")).unwrap();
        let mut command = dir.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
        command.arg(reference);
        let process = Process::start(command);
        let url = format!("http://{}", process.address);
        let ready = reqwest::get(format!("{url}/readyz")).await.unwrap();
        let ready = ready.text().await.unwrap();
        assert!(ready.contains("names no component"), "{ready}");
        let client = Client::new(&format!("{url}/mcp"), Revision::July2026);
        write(&dir.path().join("tools"), "tool", &tool_component("one"));
        wait_for_text(&client, tool, "one").await;
    }
    // Nothing would ever be served.
    let dir = Toolcrib::new();
    std::fs::create_dir(dir.path().join("tools")).unwrap();
    for arguments in [
        &["serve", "--no-auth", "--no-watch", "tools/"][..],
        &["serve", "--no-auth", "nowhere/"],
        &["check", "--no-auth", "tools/"],
    ] {
        let output = dir.run(arguments);
        assert_eq!(output.status, 1, "{arguments:?}: {output:?}");
    }
}
