//! Notifications in sessions of older revisions, and over stdio.

use reqwest::Method;
use serde_json::{Value, json};

use super::subscriptions::{SUBSCRIPTION_ID, resource_guest};
use super::{put_component, remove_component, tool_names, wait_for_tools};
use crate::support::client::{Answer, Revision, Stream};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::pipes::Pipes;
use crate::support::server::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_older_revisions_get_notifications() {
    let host = Host::watching(
        &[
            ("a", &Guest::saying("a", "one")),
            ("doc", &resource_guest("one")),
        ],
        |config| config.server.sessions = true,
    )
    .await;
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        let answer = client.initialize().await;
        let capabilities = &answer.result()["capabilities"];
        assert_eq!(capabilities["tools"]["listChanged"], true, "{capabilities}");
        assert_eq!(
            capabilities["resources"]["subscribe"], true,
            "{capabilities}"
        );
        let id = answer.header("mcp-session-id").to_owned();
        let send = async |message: Value| {
            Answer::to(client.post(&message).header("mcp-session-id", &id)).await
        };
        // A repeated `initialized` does not cause duplicate notifications.
        for _ in 0..2 {
            let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            assert_eq!(send(initialized).await.status, 202);
        }
        let request = client
            .bare(Method::GET)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", revision.name())
            .header("mcp-session-id", &id);
        let mut stream = Stream::open(request).await;
        let resource = json!({ "uri": "doc://one" });

        put_component(&host, "b", &Guest::saying("b", "two"));
        let message = stream.next().await.unwrap();
        assert_eq!(message["method"], "notifications/tools/list_changed");
        assert_eq!(tool_names(&host.client()).await, ["a", "b"]);
        let message = client.message("resources/subscribe", resource.clone());
        send(message).await.result();
        put_component(&host, "doc", &resource_guest("two"));
        let message = stream.next().await.unwrap();
        assert_eq!(message["method"], "notifications/resources/updated");
        assert_eq!(message["params"], resource);
        // After unsubscribing, the next message is that of the next change.
        let message = client.message("resources/unsubscribe", resource);
        send(message).await.result();
        put_component(&host, "doc", &resource_guest("one"));
        remove_component(&host, "b");
        let message = stream.next().await.unwrap();
        assert_eq!(message["method"], "notifications/tools/list_changed");
        put_component(&host, "b", &Guest::saying("b", "two"));
        let message = stream.next().await.unwrap();
        assert_eq!(message["method"], "notifications/tools/list_changed");
        remove_component(&host, "b");
        wait_for_tools(&host.client(), &["a"]).await;
    }
}

/// Clients get notifications over stdio; since 2026-07-28 after `subscriptions/listen`.
#[test]
fn stdio_clients_get_notifications() {
    for revision in Revision::ALL {
        let dir = Toolcrib::new();
        dir.write("a", &Guest::saying("a", "one").component());
        let mut client = Pipes::open(&dir, ".");
        if revision.is_modern() {
            let mut meta = json!({});
            meta["io.modelcontextprotocol/protocolVersion"] = revision.name().into();
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            let params = json!({ "notifications": { "toolsListChanged": true }, "_meta": meta });
            client.send(&json!({
                "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": params,
            }));
            let first = client.read();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        } else {
            let params = json!({
                "protocolVersion": revision.name(), "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            });
            let answer = client.ask(1, "initialize", params);
            let capabilities = &answer["result"]["capabilities"];
            assert_eq!(capabilities["tools"]["listChanged"], true, "{capabilities}");
            client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            // The answer shows that the host has processed `initialized`.
            client.ask(2, "tools/list", json!({}));
        }
        for (name, id) in [("b", 3), ("c", 4)] {
            let temporary = dir.write(&format!(".{name}"), &Guest::saying(name, name).component());
            std::fs::rename(temporary, dir.path().join(format!("{name}.wasm"))).unwrap();
            let message = client.read();
            assert_eq!(
                message["method"], "notifications/tools/list_changed",
                "{message}"
            );
            if revision.is_modern() {
                assert_eq!(message["params"]["_meta"][SUBSCRIPTION_ID], 7, "{message}");
            } else {
                let tools = client.ask(id, "tools/list", json!({}))["result"]["tools"].clone();
                assert_eq!(tools.as_array().unwrap().last().unwrap()["name"], name);
            }
        }
        drop(client.input.take());
        assert!(client.child.wait().unwrap().success());
    }
}

/// Without a session, a client of an older revision has no stream for notifications, so none are announced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_no_notifications_are_announced() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client_of(Revision::November2025);
    let capabilities = &client.initialize().await.result()["capabilities"].clone();
    assert_eq!(capabilities["tools"], json!({}), "{capabilities}");
    put_component(&host, "b", &Guest::saying("b", "two"));
    wait_for_tools(&client, &["a", "b"]).await;
}
