//! `toolcrib stdio`: lines that are not messages, lines that are too long, and the end of the input.

use std::io::Write;

use serde_json::{Value, json};

use super::echo;
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::process::peak_mb;
use crate::support::stdio_client::StdioClient;

/// The code of an error and the id of its answer.
type ErrorAndId = (i32, Value);

/// The messages that open a session, one per line.
const OPENING: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","#,
    r#""capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
);
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

fn toolcrib() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    toolcrib
}

/// Returns the answer to a request of a finished process.
fn answer(output: &CommandOutput, id: u32) -> Value {
    let mut answers = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    answers
        .find(|answer| answer["id"] == id)
        .unwrap_or_else(|| panic!("no answer to {id}: {output:?}"))
}

#[test]
fn a_last_line_without_line_break_is_answered() {
    let toolcrib = toolcrib();
    let (initialize, _) = OPENING.split_once('\n').unwrap();
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}"#;
    for end in ["", "\n", "\r\n", " "] {
        let run = |input: &str| {
            let output = toolcrib.run_with(&["stdio", "echo.wasm"], &format!("{input}{end}"));
            assert_eq!(
                (output.status, output.stderr.as_str()),
                (0, ""),
                "{output:?}"
            );
            output
        };
        let output = run(&format!("{OPENING}{PING}"));
        assert_eq!(answer(&output, 2)["result"], json!({}));
        let output = run(&format!("{OPENING}{call}"));
        let content = &answer(&output, 2)["result"]["content"];
        assert_eq!(content[0]["text"], r#"{"text":"hi"}"#);
        let output = run(initialize);
        assert_eq!(
            answer(&output, 1)["result"]["protocolVersion"],
            "2025-06-18"
        );
    }
}

#[test]
fn a_client_that_leaves_before_a_session_is_not_an_error() {
    let toolcrib = toolcrib();
    for (input, answers) in [("", 0), ("\n", 0), (PING, 1), ("hello", 1)] {
        let output = toolcrib.run_with(&["stdio", "echo.wasm"], input);
        assert_eq!(
            (output.status, output.stderr.as_str()),
            (0, ""),
            "{input:?}: {output:?}"
        );
        assert_eq!(output.stdout.lines().count(), answers, "{input:?}");
    }
}

/// They mean nothing before the first request.
#[test]
fn notifications_and_responses_before_the_session_are_ignored() {
    let toolcrib = toolcrib();
    for early in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{}}"#,
    ] {
        let input = format!("{early}\n{OPENING}{PING}");
        let output = toolcrib.run_with(&["stdio", "echo.wasm"], &input);
        assert_eq!(output.status, 0, "{early}: {output:?}");
        assert_eq!(output.stdout.lines().count(), 2, "{early}: {output:?}");
    }
}

/// Each line is sent before and after the session is opened, and the session goes on after it.
#[test]
fn lines_that_are_not_messages_are_answered_with_an_error() {
    const PARSE_ERROR: i32 = -32700;
    const INVALID_REQUEST: i32 = -32600;

    let toolcrib = toolcrib();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":8,"method":"ping","params":{{"x":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let (null, seven) = (Value::Null, json!(7));
    let error = |code, id: &Value| Some((code, id.clone()));
    let cases: Vec<(&[u8], Option<ErrorAndId>)> = vec![
        (b"hello", error(PARSE_ERROR, &null)),
        (b"{", error(PARSE_ERROR, &null)),
        (b"\0", error(PARSE_ERROR, &null)),
        (b"{\"a\":\"\xff\"}", error(PARSE_ERROR, &null)),
        (b"{} {}", error(PARSE_ERROR, &null)),
        (b"[1,]", error(PARSE_ERROR, &null)),
        (b"[]", error(INVALID_REQUEST, &null)),
        (
            br#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#,
            error(INVALID_REQUEST, &null),
        ),
        (br#"["2.0",7,{}]"#, error(INVALID_REQUEST, &null)),
        (b"5", error(INVALID_REQUEST, &null)),
        (b"\"text\"", error(INVALID_REQUEST, &null)),
        (b"{}", error(INVALID_REQUEST, &null)),
        (
            br#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
            error(INVALID_REQUEST, &seven),
        ),
        (
            br#"{"id":"a","method":"ping"}"#,
            error(INVALID_REQUEST, &json!("a")),
        ),
        (
            br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            error(INVALID_REQUEST, &null),
        ),
        (
            br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            error(INVALID_REQUEST, &null),
        ),
        (deep.as_bytes(), error(INVALID_REQUEST, &json!(8))),
        // An answer must not look like one to a request of the client.
        (
            br#"{"jsonrpc":"2.0","id":7,"error":5}"#,
            error(INVALID_REQUEST, &null),
        ),
        // Notifications and empty lines have no answers.
        (br#"{"jsonrpc":"1.0","method":"notifications/x"}"#, None),
        (br#"{"method":"notifications/x"}"#, None),
        (b"", None),
        (b" \t\r", None),
    ];
    let send = |client: &mut StdioClient, line: &[u8]| {
        let input = client.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
    };
    let mut client = StdioClient::open(&toolcrib, "echo.wasm");
    for round in 0..2 {
        for (line, expected) in &cases {
            let shown = String::from_utf8_lossy(&line[..line.len().min(80)]);
            send(&mut client, line);
            if let Some((code, id)) = expected {
                let answer = client.read();
                assert_eq!(answer["error"]["code"], *code, "{shown}: {answer}");
                assert_eq!(answer.get("id"), Some(id), "{shown}: {answer}");
                assert_eq!(answer["jsonrpc"], "2.0");
            }
            let answer = client.ask(2, "ping", json!({}));
            assert_eq!(answer["result"], json!({}), "{shown}");
        }
        if round == 0 {
            send(&mut client, OPENING.trim_end().as_bytes());
            assert_eq!(client.read()["id"], 1);
        }
    }
    // A byte order mark is ignored.
    send(&mut client, &[b"\xef\xbb\xbf", PING.as_bytes()].concat());
    assert_eq!(client.read()["result"], json!({}));
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

#[test]
fn lines_above_the_limit_of_bodies_are_rejected_without_being_collected() {
    const MAX_BYTES: usize = 10_000;
    const LONG_LINE_MB: usize = 64;
    const MAX_GROWTH_MB: f64 = 16.0;

    let toolcrib = toolcrib();
    toolcrib.file("c.toml", "[server]\nmax-body = \"10kB\"\n");
    let arguments = ["--config", "c.toml", "echo.wasm"];
    let mut client = StdioClient::start(&toolcrib, &arguments);
    client
        .input
        .as_mut()
        .unwrap()
        .write_all(OPENING.as_bytes())
        .unwrap();
    assert_eq!(client.read()["id"], 1);
    let write = |client: &mut StdioClient, bytes: &[u8]| {
        client.input.as_mut().unwrap().write_all(bytes).unwrap();
    };
    let is_rejected = |answer: &Value| {
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("10000 bytes"), "{message}");
        assert_eq!(answer.get("id"), Some(&Value::Null));
    };
    for (bytes, is_answered) in [(MAX_BYTES, true), (MAX_BYTES + 1, false)] {
        let filler = " ".repeat(bytes - PING.len());
        write(&mut client, format!("{PING}{filler}\n").as_bytes());
        let answer = client.read();
        match is_answered {
            true => assert_eq!(answer["id"], 2, "{answer}"),
            false => is_rejected(&answer),
        }
    }
    let before = peak_mb(client.child.id());
    // The answer does not wait for the end of the line.
    write(&mut client, &[b'x'; 2 * MAX_BYTES]);
    is_rejected(&client.read());
    let part = vec![b'x'; 1 << 20];
    for _ in 0..LONG_LINE_MB {
        write(&mut client, &part);
    }
    write(&mut client, b"\n");
    assert_eq!(client.ask(3, "ping", json!({}))["result"], json!({}));
    let growth = peak_mb(client.child.id()) - before;
    assert!(growth < MAX_GROWTH_MB, "{growth} MiB");
    // The rest of a line that is too long is not a line of its own, even at the end of the input.
    write(&mut client, &[b'x'; 2 * MAX_BYTES]);
    is_rejected(&client.read());
    drop(client.input.take());
    let output = client.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// A cursor that is not a string is not the missing cursor of the first page.
#[test]
fn malformed_cursors_are_rejected() {
    let toolcrib = toolcrib();
    let mut client = StdioClient::open(&toolcrib, "echo.wasm");
    client
        .input
        .as_mut()
        .unwrap()
        .write_all(OPENING.as_bytes())
        .unwrap();
    assert_eq!(client.read()["id"], 1);
    for (id, cursor, code) in [
        (2, json!(7), json!(-32602)),
        (3, json!({}), json!(-32602)),
        (4, json!("no-such"), json!(-32602)),
        (5, json!(""), Value::Null),
        (6, Value::Null, Value::Null),
    ] {
        let answer = client.ask(id, "tools/list", json!({ "cursor": cursor }));
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(
            answer["result"]["tools"].is_array(),
            code.is_null(),
            "{answer}"
        );
    }
}
