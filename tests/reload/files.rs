//! Component files that are added, replaced, damaged, repaired and removed.

use serde_json::json;

use super::{
    put_component, ready_problems, remove_component, tool_names, wait_for_no_problems,
    wait_for_problem, wait_for_text, wait_for_tools, wait_until,
};
use crate::support::guest::Guest;
use crate::support::server::{Host, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_changed_and_removed_components_are_reloaded() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    assert_eq!(tool_names(&client).await, ["a"]);
    put_component(&host, "b", &Guest::saying("b", "two"));
    wait_for_tools(&client, &["a", "b"]).await;
    assert_eq!(client.call("b", json!({})).await.text(), "two");
    put_component(&host, "b", &Guest::saying("b", "three"));
    wait_for_text(&client, "b", "three").await;
    remove_component(&host, "a");
    wait_for_tools(&client, &["b"]).await;
    assert_eq!(client.call("a", json!({})).await.code(), -32602);
    // An empty directory is reported as a problem.
    remove_component(&host, "b");
    wait_for_tools(&client, &[]).await;
    wait_for_problem(&host, &["names no component"]).await;
    put_component(&host, "b", &Guest::saying("b", "four"));
    wait_for_tools(&client, &["b"]).await;
    wait_for_no_problems(&host).await;
}

/// The last valid version is served until the file is valid again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_components_keep_their_last_version() {
    let guests = [
        ("a", &Guest::saying("a", "one")),
        ("b", &Guest::saying("b", "one")),
    ];
    let host = Host::watching(&guests, |_| {}).await;
    let client = host.client();
    let path = host.dir().join("a.wasm");
    let valid = Guest::saying("a", "two").component();
    // Written in place, as editors do. The other changes of the same scan are still applied.
    let damaged: [(&str, Vec<u8>, &[&str]); 3] = [
        ("text", b"(component)".to_vec(), &["a.wasm", "text"]),
        ("truncated", valid[..valid.len() / 2].to_vec(), &["a.wasm"]),
        ("empty", Vec::new(), &["a.wasm"]),
    ];
    for (case, bytes, parts) in damaged {
        std::fs::write(&path, bytes).unwrap();
        put_component(&host, "b", &Guest::saying("b", case));
        wait_for_text(&client, "b", case).await;
        wait_for_problem(&host, parts).await;
        assert_eq!(client.call("a", json!({})).await.text(), "one", "{case}");
    }
    // Removed and created again with invalid bytes, possibly within one scan.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "rubbish").unwrap();
    wait_for_problem(&host, &["a.wasm"]).await;
    assert_eq!(client.call("a", json!({})).await.text(), "one");
    std::fs::write(&path, &valid).unwrap();
    wait_for_text(&client, "a", "two").await;
    wait_for_no_problems(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_conflicts_keep_what_is_served() {
    let guests = [
        ("a", &Guest::saying("one", "a")),
        ("b", &Guest::saying("two", "b")),
    ];
    let host = Host::watching(&guests, |_| {}).await;
    let client = host.client();
    // A new component cannot take a name that is in use. The other changes are applied.
    put_component(&host, "0", &Guest::saying("one", "0"));
    put_component(&host, "c", &Guest::saying("three", "c"));
    wait_for_tools(&client, &["one", "three", "two"]).await;
    wait_for_problem(&host, &["`one`", "`a`", "`0`", "prefix"]).await;
    assert_eq!(client.call("one", json!({})).await.text(), "a");
    // Neither can a new version of a component; its old version stays.
    put_component(&host, "b", &Guest::saying("three", "b"));
    wait_until("two problems", async || {
        ready_problems(&host).await.len() == 2
    })
    .await;
    assert_eq!(client.call("two", json!({})).await.text(), "b");
    assert_eq!(client.call("three", json!({})).await.text(), "c");
    // The names become free when their components are removed.
    remove_component(&host, "a");
    remove_component(&host, "c");
    wait_for_tools(&client, &["one", "three"]).await;
    wait_for_no_problems(&host).await;
    assert_eq!(client.call("one", json!({})).await.text(), "0");
    assert_eq!(client.call("three", json!({})).await.text(), "b");
    // Two components can exchange their names in one step.
    put_component(&host, "0", &Guest::saying("three", "0"));
    put_component(&host, "b", &Guest::saying("one", "b"));
    wait_for_text(&client, "one", "b").await;
    wait_for_text(&client, "three", "0").await;
    wait_for_no_problems(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_components_can_be_added_at_once() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let mut expected = vec!["a".to_owned()];
    for index in 0..50 {
        let name = format!("b{index:02}");
        write(
            host.dir(),
            &name,
            &Guest::saying(&name, "hello").component(),
        );
        expected.push(name);
    }
    wait_until("all components", async || {
        tool_names(&client).await == expected
    })
    .await;
    wait_for_no_problems(&host).await;
}
