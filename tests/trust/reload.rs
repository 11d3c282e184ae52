//! Signatures while components are served: each new version needs its own.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use toolcrib::config::{Config, Overrides, WatchMode};

use crate::reload::{wait_for_no_problems, wait_for_problem, wait_for_text, wait_for_tools};
use crate::support::guest::Guest;
use crate::support::server::{Host, write};
use crate::support::signer::Minisign;

fn tool(text: &str) -> Vec<u8> {
    Guest::saying("tool", text).component()
}

/// Writes a file atomically.
fn put(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let temporary = dir.join(format!(".{name}.tmp"));
    fs::write(&temporary, bytes).unwrap();
    fs::rename(temporary, dir.join(name)).unwrap();
}

async fn start(dir: TempDir, key: &Minisign, reference: &str) -> Host {
    let file = dir.path().join("c.toml");
    fs::write(dir.path().join("key.pub"), key.public_key()).unwrap();
    let text = format!(
        "components = [\"{reference}\"]\n[trust]\nrequire-signatures = true\nkeys = [{{ file = \"key.pub\" }}]\n"
    );
    fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        no_auth: true,
        keep_going: true,
        ..Overrides::default()
    };
    let mut config = Config::load(&overrides).unwrap();
    config.cache = None;
    config.server.max_concurrent_calls = 4;
    config.watch = WatchMode::Everything;
    Host::run(dir, config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_component_needs_a_new_signature() {
    for reference in ["tools/", "tools/tool.wasm", "tools/*.wasm"] {
        let key = Minisign::new(1);
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        fs::create_dir(&tools).unwrap();
        write(&tools, "tool", &tool("one"));
        put(&tools, "tool.wasm.minisig", key.sign(&tool("one")));
        let host = start(dir, &key, reference).await;
        let client = host.client();
        let tools = host.dir().join("tools");
        assert_eq!(client.call("tool", json!({})).await.text(), "one");
        // A changed file with the old signature keeps the old version served.
        put(&tools, "tool.wasm", tool("two"));
        wait_for_problem(&host, &["tool.wasm", "a signature of other bytes"]).await;
        assert_eq!(client.call("tool", json!({})).await.text(), "one");
        // The new signature alone triggers the reload.
        put(&tools, "tool.wasm.minisig", key.sign(&tool("two")));
        wait_for_text(&client, "tool", "two").await;
        wait_for_no_problems(&host).await;
        // The signature comes first.
        put(&tools, "tool.wasm.minisig", key.sign(&tool("three")));
        put(&tools, "tool.wasm", tool("three"));
        wait_for_text(&client, "tool", "three").await;
        wait_for_no_problems(&host).await;
        // A signature by somebody else.
        put(
            &tools,
            "tool.wasm.minisig",
            Minisign::new(2).sign(&tool("four")),
        );
        put(&tools, "tool.wasm", tool("four"));
        wait_for_problem(&host, &["tool.wasm", "which is not trusted"]).await;
        assert_eq!(client.call("tool", json!({})).await.text(), "three");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_component_waits_for_its_signature() {
    let key = Minisign::new(1);
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tools")).unwrap();
    let host = start(dir, &key, "tools/").await;
    let (client, tools) = (host.client(), host.dir().join("tools"));
    write(&tools, "tool", &tool("one"));
    wait_for_problem(&host, &["tool.wasm", "not signed", "tool.wasm.minisig"]).await;
    wait_for_tools(&client, &[]).await;
    put(&tools, "tool.wasm.minisig", key.sign(&tool("one")));
    wait_for_text(&client, "tool", "one").await;
    wait_for_no_problems(&host).await;
}
