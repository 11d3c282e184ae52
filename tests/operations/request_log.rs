//! One line of the log per request that has ended.

use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Server, call_all, signal, wait_for};
use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::session::Session;
use crate::support::stdio_client::StdioClient;

/// Returns the members of the lines about requests.
fn requests<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<Value> {
    let objects = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects
        .filter(|object| object["message"] == "request")
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_a_line_with_its_outcome() {
    let server = Server::new("log = \"json\"\nlevel = \"debug\"").await;
    let (sender, lines) = channel();
    let process = server.start(move |line| {
        let _ = sender.send(line.to_owned());
    });
    let client = server.client(&process);
    let expected = call_all(&client).await;
    client.list().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let params = json!({ "name": "hello", "arguments": {}, "_meta": { "traceparent": trace } });
    client.request("tools/call", params).await;
    // An error of JSON-RPC with the status 200.
    let cursor = json!({ "cursor": "unknown" });
    assert_eq!(client.request("tools/list", cursor).await.status, 200);
    assert_eq!(client.call("nothing", json!({})).await.status, 200);

    let mut log = Vec::new();
    let count = expected.len() + 5;
    while requests(log.iter().map(String::as_str)).len() < count {
        let line = lines.recv_timeout(Duration::from_secs(30));
        log.push(line.unwrap_or_else(|_| panic!("{log:#?}")));
    }
    let text = log.join("\n");
    let token = client.token.as_deref().unwrap();
    for secret in [
        "secret-argument",
        "secret-result",
        &token[token.len() - 20..],
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let requests = requests(log.iter().map(String::as_str));
    for (tool, outcome) in expected {
        let line = requests.iter().find(|line| line["tool.name"] == tool);
        let line = line.unwrap_or_else(|| panic!("{tool}: {requests:#?}"));
        assert_eq!(line["outcome"], outcome, "{line}");
        for (field, value) in [
            ("level", json!("INFO")),
            ("mcp.method", json!("tools/call")),
            ("component.name", json!("guest")),
            ("caller.subject", json!("alice")),
            ("mcp.revision", json!("2026-07-28")),
            (
                "http.status",
                json!(if outcome == "denied" { 403 } else { 200 }),
            ),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
        assert!(line["duration.ms"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["request.bytes"].as_u64().unwrap() > 100, "{line}");
        assert!(line["response.bytes"].as_u64().unwrap() > 50, "{line}");
        // Only an admitted call has an id, and only one with valid arguments has a guest.
        let ran = outcome != "denied";
        assert_eq!(line["call.id"].is_string(), ran, "{line}");
        let has_memory = line["memory.peak"].as_u64().is_some_and(|bytes| bytes > 0);
        assert_eq!(has_memory, ran && tool != "number", "{line}");
    }
    let spun = requests
        .iter()
        .find(|line| line["tool.name"] == "spins")
        .unwrap();
    assert!(spun["cpu.ms"].as_f64().unwrap() >= 100.0, "{spun}");
    let of = |field: &str, value: &str| {
        let mut found = requests.iter().filter(|line| line[field] == value);
        found
            .next()
            .unwrap_or_else(|| panic!("{value}: {requests:#?}"))
    };
    assert_eq!(of("outcome", "unauthenticated")["level"], "DEBUG");
    assert_eq!(of("outcome", "unauthenticated")["http.status"], 401);
    let lists = requests
        .iter()
        .filter(|line| line["mcp.method"] == "tools/list");
    let outcomes: Vec<_> = lists.map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["ok", "invalid"]);
    assert_eq!(
        of("trace.id", "0af7651916cd43dd8448eb211c80319c")["tool.name"],
        "hello"
    );
    let unknown = requests.last().unwrap();
    assert_eq!(unknown["outcome"], "invalid", "{unknown}");
    assert!(unknown["tool.name"].is_null(), "{unknown}");
}

/// A call whose client is gone is recorded when its guest has ended, and a call of a session when it has its response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_and_calls_of_sessions_have_a_line() {
    let server = Server::new("log = \"json\"").await;
    let text = std::fs::read_to_string(server.toolcrib.path().join("c.toml")).unwrap();
    server
        .toolcrib
        .file("c.toml", text.replace("cpu = \"100ms\"", "cpu = \"600s\""));
    let (sender, lines) = channel();
    let process = server.start(move |line| {
        let _ = sender.send(line.to_owned());
    });
    let client = server.client(&process);
    let message = client.message("tools/call", json!({ "name": "spins", "arguments": {} }));
    let request = client.post(&message).timeout(Duration::from_millis(300));
    assert!(request.send().await.is_err());
    let older = Client {
        revision: Revision::June2025,
        ..client.clone()
    };
    let session = Session::open(older, json!({})).await;
    let message = session
        .client
        .message("tools/call", json!({ "name": "fails", "arguments": {} }));
    assert_eq!(Answer::to(session.post(&message)).await.status, 200);
    // An error of JSON-RPC in an event stream.
    let unknown = session
        .client
        .message("tools/list", json!({ "cursor": "unknown" }));
    assert_eq!(Answer::to(session.post(&unknown)).await.status, 200);

    let mut found = Vec::new();
    let mut log = Vec::new();
    while found.len() < 3 {
        let line = lines.recv_timeout(Duration::from_secs(30));
        log.push(line.unwrap_or_else(|_| panic!("{log:#?}")));
        let requests = requests(log.iter().map(String::as_str)).into_iter();
        found = requests
            .filter(|line| line["tool.name"].is_string() || line["mcp.method"] == "tools/list")
            .collect();
    }
    let list = found.iter().find(|line| line["mcp.method"] == "tools/list");
    assert_eq!(list.unwrap()["outcome"], "invalid", "{log:#?}");
    for (tool, outcome, revision) in [
        ("spins", "cancelled", "2026-07-28"),
        ("fails", "tool_error", "2025-06-18"),
    ] {
        let line = found.iter().find(|line| line["tool.name"] == tool).unwrap();
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["mcp.revision"], revision, "{line}");
    }
}

#[test]
fn calls_over_standard_input_have_a_line() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &super::guest().component());
    toolcrib.file(
        "c.toml",
        "[telemetry]\nlog = \"json\"\nlog-file = \"x.log\"\n",
    );
    let arguments = ["--config", "c.toml", "guest.wasm"];
    let mut client = StdioClient::start(&toolcrib, &arguments);
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
    });
    client.ask(1, "initialize", params);
    client.ask(2, "tools/call", json!({ "name": "hello", "arguments": {} }));
    client.ask(
        3,
        "tools/call",
        json!({ "name": "crashes", "arguments": {} }),
    );
    drop(client.input.take());
    assert!(client.child.wait().unwrap().success());
    let log = std::fs::read_to_string(toolcrib.path().join("x.log")).unwrap();
    let requests = requests(log.lines());
    let outcomes: Vec<_> = requests
        .iter()
        .map(|line| line["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, [Some("ok"), Some("crashed")], "{log}");
    assert!(requests[0]["http.status"].is_null(), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_the_log_is_opened_again_after_sighup() {
    let server = Server::new("log-file = \"x.log\"").await;
    let process = server.start(|_| {});
    let client = server.client(&process);
    let (file, moved) = (
        server.toolcrib.path().join("x.log"),
        server.toolcrib.path().join("moved.log"),
    );
    let requests = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.matches(" request mcp.method=").count()
    };
    client.list().await;
    wait_for(|| requests(&file) == 1).await;
    std::fs::rename(&file, &moved).unwrap();
    client.list().await;
    wait_for(|| requests(&moved) == 2).await;
    signal(&process, "-HUP");
    wait_for(|| file.exists()).await;
    client.list().await;
    wait_for(|| requests(&file) == 1).await;
    assert_eq!(requests(&moved), 2);
}
