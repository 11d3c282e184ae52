//! The log: texts of clients are escaped and truncated in it, also where a library logs them.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};

/// Largest log of the requests of a test. Each of them has texts of a megabyte.
const MAX_LOG_BYTES: usize = 100_000;

/// Starts a server with this log configuration, lets `requests` use it, and returns its log.
async fn log_of(telemetry: &str, requests: impl AsyncFnOnce(&str)) -> String {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &Guest::saying("hello", "hello").component());
    toolcrib.file(
        "c.toml",
        format!(
            "components = [\"guest.wasm\"]\nserver.sessions = true\n[telemetry]\n{telemetry}\n"
        ),
    );
    let arguments = [
        "serve",
        "--no-auth",
        "--config",
        "c.toml",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut child = toolcrib.command(&arguments).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert_ne!(
            stderr.read_line(&mut line).unwrap(),
            0,
            "the server has ended"
        );
        if let Some(rest) = line.strip_prefix("listening on ") {
            break rest.split(' ').next().unwrap().to_owned();
        }
    };
    let reader = std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).unwrap();
        String::from_utf8(log).unwrap()
    });
    requests(&url).await;
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .arg(id)
            .status()
            .unwrap()
            .success()
    );
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Sends requests with this text as their id, method, name and other members.
async fn send_everywhere(url: &str, text: &str) {
    for revision in Revision::ALL {
        let client = Client::new(url, revision);
        // A library logs every message of a session.
        let session = match revision.is_modern() {
            true => String::new(),
            false => client
                .initialize()
                .await
                .header("mcp-session-id")
                .to_owned(),
        };
        let send = async |message: &Value, headers: &Value| {
            let request = client.post(headers).body(message.to_string());
            let request = match revision.is_modern() {
                true => request,
                false => request.header("mcp-session-id", &session),
            };
            request.send().await.unwrap().bytes().await.unwrap();
        };
        for tool in ["hello", "nothing"] {
            let params = json!({ "name": tool, "arguments": {}, "_meta": {} });
            let call = client.message("tools/call", params);
            for path in [
                "/id",
                "/method",
                "/params/name",
                "/params/_meta/progressToken",
                "/params/arguments/a",
            ] {
                let mut message = call.clone();
                let (parent, member) = path.rsplit_once('/').unwrap();
                message.pointer_mut(parent).unwrap()[member] = text.into();
                send(&message, &call).await;
            }
            let params = json!({ "requestId": text });
            send(
                &json!({ "jsonrpc": "2.0", "method": text, "params": params }),
                &call,
            )
            .await;
        }
    }
}

#[tokio::test]
async fn texts_of_clients_are_escaped() {
    let forged = "2026-01-01T00:00:00.000000Z  INFO forged";
    let text = format!("x\n{forged}\r\u{1b}[31m\u{9b}31m\u{202e}\u{e0041}");
    let is_unsafe = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{e0000}'..='\u{e007f}')
    };
    for format in ["text", "json"] {
        let telemetry = format!("log = \"{format}\"\nlevel = \"trace\"");
        let log = log_of(&telemetry, async |url| send_everywhere(url, &text).await).await;
        assert!(log.contains("forged"), "{log}");
        assert!(!log.contains(is_unsafe), "{log:?}");
        for line in log.lines() {
            assert!(!line.starts_with(forged), "{log}");
            if format == "json" {
                let object: Value = serde_json::from_str(line).unwrap();
                assert!(
                    object["timestamp"].is_string() && object["level"].is_string(),
                    "{line}"
                );
                let strings = object
                    .as_object()
                    .unwrap()
                    .values()
                    .filter_map(Value::as_str);
                assert!(
                    strings
                        .into_iter()
                        .all(|text| !text.contains(['\n', '\u{1b}', '\u{202e}'])),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn texts_of_clients_are_truncated() {
    let text = "y".repeat(1_000_000);
    for format in ["text", "json"] {
        let telemetry = format!("log = \"{format}\"\nlevel = \"trace\"");
        let log = log_of(&telemetry, async |url| send_everywhere(url, &text).await).await;
        assert!(log.contains("yyyy") && log.contains('…'), "{log}");
        assert!(log.len() < MAX_LOG_BYTES, "{} bytes", log.len());
    }
}

/// The members of a JSON line: those of the event, and those of its spans.
#[tokio::test]
async fn json_lines_have_the_fields_of_events_and_spans() {
    let mut guest = Guest::new();
    let line = guest.string("a \"line\" of the guest");
    guest.tool(
        Tool::new("logs"),
        format!("(call $log (i32.const 1) {line}) (call $text {line})"),
    );
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest.component());
    toolcrib.file("c.toml", "[telemetry]\nlog = \"json\"\n");
    let ended = toolcrib.run(&["call", "--config", "c.toml", "guest.wasm", "logs"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    let mut lines = ended.stderr.lines();
    let line = lines.find(|line| line.contains("guest log")).unwrap();
    let mut object: Value = serde_json::from_str(line).unwrap();
    let span = json!({
        "call.id": "local", "component.name": "guest", "call.kind": "tool", "tool.name": "logs",
        "name": "call",
    });
    let timestamp = object.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
    let target = object.as_object_mut().unwrap().remove("target").unwrap();
    assert!(
        target.as_str().unwrap().starts_with("toolcrib::"),
        "{target}"
    );
    assert_eq!(
        object,
        json!({
            "level": "INFO", "message": "guest log", "guest.line": "a \"line\" of the guest",
            "span": span, "spans": [span],
        })
    );
}
