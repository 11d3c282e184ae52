//! Followed references: a version that a trusted signer has signed replaces the served one.

use std::fs;
use std::time::Duration;

use serde_json::json;
use toolcrib::config::{Config, Overrides};

use crate::reload::{wait_for_no_problems, wait_for_problem, wait_for_text};
use crate::support::guest::Guest;
use crate::support::server::Host;
use crate::support::signer::Minisign;
use crate::support::web::{Reply, Web};

fn tool(text: &str) -> Vec<u8> {
    Guest::saying("tool", text).component()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_component_is_replaced_by_a_signed_version() {
    let (web, key) = (Web::start(), Minisign::new(1));
    web.reply("/tool.wasm", Reply::new(tool("one")));
    web.reply("/tool.wasm.minisig", Reply::new(key.sign(&tool("one"))));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    fs::write(dir.path().join("key.pub"), key.public_key()).unwrap();
    let text = format!(
        "[[component]]\nref = \"{}\"\nfollow = \"1m\"\n[trust]\nrequire-signatures = true\n\
         keys = [{{ file = \"key.pub\" }}]\n",
        web.url("/tool.wasm")
    );
    fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        no_auth: true,
        ..Overrides::default()
    };
    let mut config = Config::load(&overrides).unwrap();
    config.cache = None;
    config.server.max_concurrent_calls = 4;
    config.components[0].follow = Some(Duration::from_millis(100));
    let host = Host::run(dir, config).await;
    let client = host.client();
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
    // A version without a signature of its own is not served.
    web.reply("/tool.wasm", Reply::new(tool("two")));
    wait_for_problem(&host, &["tool.wasm"]).await;
    assert_eq!(client.call("tool", json!({})).await.text(), "one");
    web.reply("/tool.wasm.minisig", Reply::new(key.sign(&tool("two"))));
    wait_for_text(&client, "tool", "two").await;
    wait_for_no_problems(&host).await;
}
