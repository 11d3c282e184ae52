//! The log: texts of clients are escaped and truncated in it, also where a library logs them.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::http2::Http2;
use crate::support::process::Process;
use crate::support::session::Session;

/// Largest log of the requests of a test. Each of them has a text that is longer than a field of the log.
const MAX_LOG_BYTES: usize = 300_000;

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
    // Messages without arguments have at most 64 KiB.
    let text = "y".repeat(60_000);
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

/// Warnings of libraries that clients can cause at will are counted in one line, unless the level is `debug`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warnings_of_libraries_that_clients_cause_are_counted() {
    for (level, library) in [
        ("info", "h2"),
        ("info", "rmcp"),
        ("debug", "h2"),
        ("debug", "rmcp"),
    ] {
        let toolcrib = Toolcrib::new();
        toolcrib.write("guest", &Guest::saying("hello", "hello").component());
        let text = format!(
            "components = [\"guest.wasm\"]\nserver.sessions = true\n[telemetry]\nlevel = \"{level}\"\n"
        );
        toolcrib.file("c.toml", text);
        let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
        command.args(["--listen", "127.0.0.1:0"]);
        let (sender, lines) = std::sync::mpsc::channel();
        let process = Process::start_with_log(command, move |line| {
            let _ = sender.send(line.to_owned());
        });
        let at_start = lines.try_iter().count();
        assert!(at_start < 100, "{at_start} lines");
        for _ in 0..5 {
            if library == "h2" {
                let mut connection = Http2::connect(process.address, 65_535).await;
                connection.send_and_reset(500).await;
                while connection.next().await.is_some() {}
            } else {
                let url = format!("http://{}/mcp", process.address);
                let client = Client::new(&url, Revision::June2025);
                let session = Session::open(client, json!({})).await;
                let params = json!({ "name": "nothing", "arguments": {} });
                session.begin(1, "tools/call", params).await.next().await;
            }
        }
        let is_warning = |line: &str| line.contains(" WARN ") || line.contains(" ERROR ");
        let awaited = |line: &str| match level {
            "info" => {
                line.contains("INFO") && line.contains(&format!("library={library:?} events="))
            }
            _ => is_warning(line),
        };
        let mut log = Vec::new();
        while !log.last().is_some_and(|line: &String| awaited(line)) {
            let line = lines.recv_timeout(std::time::Duration::from_secs(30));
            log.push(line.unwrap_or_else(|_| panic!("{level} {library}: {log:#?}")));
        }
        let warnings = log.iter().filter(|line| is_warning(line)).count();
        assert_eq!(
            warnings > 0,
            level == "debug",
            "{level} {library}: {log:#?}"
        );
    }
}

/// Requests that are refused before a token has been verified are counted too: anybody can send any number of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_refused_without_a_token_are_counted() {
    const REQUESTS: usize = 20;
    let (host, origin) = (("host", "evil.example"), ("origin", "https://evil.example"));
    let token = ("authorization", "Bearer e.y.J");
    for (level, (header, value), refused, message) in [
        ("info", host, "host", "host denied"),
        ("info", origin, "origin", "origin denied"),
        ("info", token, "token", "request refused"),
        ("debug", host, "host", "host denied"),
        ("debug", token, "token", "request refused"),
    ] {
        let toolcrib = Toolcrib::new();
        toolcrib.write("guest", &Guest::saying("hello", "hello").component());
        let text = format!(
            "components = [\"guest.wasm\"]\n[server]\npublic-url = \"http://localhost\"\n\
             [auth]\nissuer = \"https://login.example\"\naudience = \"tools\"\njwks-uri = \"http://127.0.0.1:9/jwks\"\n\
             [telemetry]\nlevel = \"{level}\"\n"
        );
        toolcrib.file("c.toml", text);
        let mut command = toolcrib.command(&["serve", "--config", "c.toml"]);
        command.args(["--listen", "127.0.0.1:0"]);
        let (sender, lines) = std::sync::mpsc::channel();
        let process = Process::start_with_log(command, move |line| {
            let _ = sender.send(line.to_owned());
        });
        let url = format!("http://{}/mcp", process.address);
        let client = Client::new(&url, Revision::July2026);
        let list = client.message("tools/list", json!({}));
        for _ in 0..REQUESTS {
            let request = client.post(&list).header(header, value);
            assert!(request.send().await.unwrap().status().is_client_error());
        }
        let mut events = 0;
        let mut log = Vec::new();
        while events < REQUESTS {
            let line = lines.recv_timeout(std::time::Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("{level} {header}: {log:#?}"));
            let counted = line.split_once(&format!(" refused={refused:?} events="));
            match counted {
                Some((_, count)) => events += count.trim().parse::<usize>().unwrap(),
                None if line.contains(message) && level == "debug" => events += 1,
                None => assert!(!line.contains(message), "{line}"),
            }
            log.push(line);
        }
    }
}
