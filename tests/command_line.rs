//! The commands `inspect`, `check`, `call`, `stdio` and `serve`, and the compilation cache.

mod bundle;
mod call;
mod connect;
mod dev;
mod listening;
mod new;
mod online;
mod output;
mod stdio;
mod stdio_shutdown;

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::client::{Client, Revision};
use crate::support::command::{Toolcrib, files_in};
use crate::support::guest::{Block, Guest, Link, Reply, Tool};
use crate::support::stdio_client::StdioClient;

fn echo() -> Guest {
    let mut guest = Guest::new();
    let message = guest.string("no such city");
    guest
        .tool(
            Tool::new("echo").with_description("Says it again.").taking(
                r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#,
            ),
            "(call $text (local.get $arguments) (local.get $arguments_len))",
        )
        .tool(Tool::new("fails"), format!("(call $failed {message})"));
    guest
}

#[test]
fn inspect_describes_components_and_tools() {
    let toolcrib = Toolcrib::new();
    let bytes = echo().component();
    toolcrib.write("echo", &bytes);
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let output = toolcrib.run(&["inspect", "--json", "echo.wasm"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let [component] = &found.as_array().unwrap()[..] else {
        panic!("{found}");
    };
    assert_eq!(component["name"], "echo");
    assert_eq!(component["digest"], format!("sha256:{digest}"));
    assert_eq!(component["size"], bytes.len());
    assert_eq!(component["memory"], 2 * 65_536);
    let imports: Vec<_> = component["imports"].as_array().unwrap().iter().collect();
    assert!(
        imports.contains(&&json!("toolcrib:mcp/call@0.1.1")),
        "{imports:?}"
    );
    assert!(
        imports
            .iter()
            .all(|name| !name.as_str().unwrap().starts_with("wasi:")),
        "{imports:?}"
    );
    assert_eq!(component["tools"][0]["name"], "echo");
    assert_eq!(component["tools"][0]["description"], "Says it again.");
    assert_eq!(
        component["tools"][0]["inputSchema"]["required"],
        json!(["text"])
    );
    assert_eq!(component["tools"][1]["name"], "fails");

    let output = toolcrib.run(&["inspect", "echo.wasm"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    for text in [
        &digest,
        "toolcrib:mcp/call@0.1.1",
        "Says it again.",
        "\"required\":[\"text\"]",
    ] {
        assert!(output.stdout.contains(text), "{text}: {}", output.stdout);
    }
}

#[test]
fn check_reports_success_and_errors() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    let output = toolcrib.run(&["check", "--no-auth", "echo.wasm"]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (0, "ok: 2 tools from 1 component\n")
    );
    assert_eq!(output.stderr, "");

    let output = toolcrib.run(&["check", "--no-auth", "--json", "echo.wasm"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&found["ok"], &found["faults"]), (&json!(true), &json!([])));
    assert_eq!(found["components"][0]["tools"][0]["name"], "echo");

    toolcrib.file("c.toml", "components = [\"echo.wasm\"]\n");
    for (arguments, status, words) in [
        (
            &["check", "--no-auth", "--json", "nowhere.wasm"][..],
            1,
            "no such file",
        ),
        (
            &["check", "--json", "--config", "c.toml"],
            2,
            "who may call",
        ),
    ] {
        let output = toolcrib.run(arguments);
        assert_eq!((output.status, output.stderr.as_str()), (status, ""));
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found["ok"], false);
        let errors = found["faults"].as_array().unwrap();
        assert!(
            errors.len() == 1 && errors[0].as_str().unwrap().contains(words),
            "{found}"
        );
    }
}

#[test]
fn call_prints_the_result_and_fails_on_tool_errors() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    let arguments = r#"{"text":"Grüße"}"#;
    let output = toolcrib.run(&["call", "echo.wasm", "echo", arguments]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert_eq!(output.stdout, format!("{arguments}\n"));
    let output = toolcrib.run_with(&["call", "echo.wasm", "echo", "-"], arguments);
    assert_eq!(
        (output.status, output.stdout),
        (0, format!("{arguments}\n"))
    );

    let output = toolcrib.run(&["call", "--json", "echo.wasm", "echo", arguments]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        found["content"],
        json!([{ "type": "text", "text": arguments }])
    );
    assert_eq!(found["isError"], false);

    for (tool, message) in [("echo", "text"), ("fails", "no such city")] {
        let output = toolcrib.run(&["call", "echo.wasm", tool]);
        assert_eq!((output.status, output.stdout.as_str()), (1, ""));
        assert!(
            output.stderr.starts_with("error: ") && output.stderr.contains(message),
            "{output:?}"
        );
        let output = toolcrib.run(&["call", "--json", "echo.wasm", tool]);
        assert_eq!((output.status, output.stderr.as_str()), (1, ""));
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found["isError"], true);
    }
}

#[test]
fn call_prints_a_placeholder_for_content_other_than_text() {
    let toolcrib = Toolcrib::new();
    let mut guest = Guest::new();
    let link = Link {
        uri: "https://example.com/",
        name: "x",
        ..Link::default()
    };
    let blocks = [
        Block::Text("one\ntwo"),
        Block::Image(&[1, 2, 3], "image/png"),
        Block::Link(link),
        Block::EmbeddedText("test://a", None, "inside"),
        Block::EmbeddedBinary("test://b", None, &[0, 0xff]),
    ];
    let content = blocks.into_iter().map(|block| (block, None)).collect();
    let body = guest.reply(&Reply {
        content,
        ..Reply::default()
    });
    guest.tool(Tool::new("all"), body);
    let body = guest.reply(&Reply {
        structured: Some("{\"n\":1}"),
        ..Reply::default()
    });
    guest.tool(Tool::new("structured"), body);
    toolcrib.write("g", &guest.component());
    let output = toolcrib.run(&["call", "g.wasm", "all"]);
    let expected = "one\ntwo\n[image/png, 3 bytes]\n[https://example.com/]\n[test://a]\ninside\n[test://b, 2 bytes]\n";
    assert_eq!((output.status, output.stdout.as_str()), (0, expected));
    let output = toolcrib.run(&["call", "g.wasm", "structured"]);
    assert_eq!(output.stdout, "{\"n\":1}\n");
}

#[test]
fn call_uses_the_limits_of_the_configuration_file() {
    let toolcrib = Toolcrib::new();
    let guest = Guest::with(Tool::new("spin"), "(call $spin)");
    toolcrib.write("g", &guest.component());
    toolcrib.file(
        "c.toml",
        "[[component]]\nref = \"g.wasm\"\nlimits.cpu = \"200ms\"\n",
    );
    let output = toolcrib.run(&["call", "--config", "c.toml", "g.wasm", "spin"]);
    assert_eq!(output.status, 1);
    assert!(
        output.stderr.contains("limit of 200ms of processor time"),
        "{output:?}"
    );
}

#[test]
fn stdio_serves_a_session() {
    let toolcrib = Toolcrib::new();
    let mut guest = echo();
    let line = guest.string("a line");
    let done = guest.string("done");
    guest.tool(
        Tool::new("talks"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $log (i32.const 1) {line})
             (call $text {done})"
        ),
    );
    toolcrib.write("echo", &guest.component());
    let mut client = StdioClient::open(&toolcrib, "echo.wasm");
    let hello = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = client.ask(1, "initialize", hello);
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answer["result"]["serverInfo"]["name"], "toolcrib");
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(client.ask(2, "ping", json!({}))["result"], json!({}));
    let answer = client.ask(3, "tools/list", json!({}));
    assert_eq!(answer["result"]["tools"][0]["name"], "echo");
    let call = json!({ "name": "echo", "arguments": { "text": "hi" } });
    let answer = client.ask(4, "tools/call", call);
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"text":"hi"}"#);
    let answer = client.ask(5, "tools/call", json!({ "name": "echo", "arguments": {} }));
    assert_eq!(answer["result"]["isError"], true);
    let answer = client.ask(6, "tools/call", json!({ "name": "nothing" }));
    assert_eq!(answer["error"]["code"], -32602);
    let answer = client.ask(7, "no/such", json!({}));
    assert_eq!(answer["error"]["code"], -32601);

    // Notifications precede the result. A log level applies to the rest of the session.
    let talk = json!({ "name": "talks", "arguments": {}, "_meta": { "progressToken": "p" } });
    client.send(&json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": talk }));
    assert_eq!(client.read()["params"]["progressToken"], "p");
    assert_eq!(client.read()["params"]["data"], "a line");
    assert_eq!(client.read()["result"]["content"][0]["text"], "done");
    client.ask(9, "logging/setLevel", json!({ "level": "error" }));
    client.send(&json!({ "jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": talk }));
    assert_eq!(client.read()["params"]["progressToken"], "p");
    assert_eq!(client.read()["result"]["content"][0]["text"], "done");

    // The server exits when its input is closed.
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

#[test]
fn guest_output_is_not_written_to_standard_output() {
    let toolcrib = Toolcrib::new();
    let mut guest = Guest::new();
    let (noise, done) = (guest.string("{\"noise\":1}\n"), guest.string("done"));
    guest
        .import(
            r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
               (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
                 (func $write (param i32 i32 i32 i32)))"#,
        )
        .tool(
            Tool::new("noise"),
            format!("(call $write (call $get_stdout) {noise} (i32.const 512)) (call $text {done})"),
        );
    toolcrib.write("g", &guest.component());
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
        } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "noise", "arguments": {} } }),
    ];
    let mut child = toolcrib.command(&["stdio", "g.wasm"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for message in messages {
        writeln!(input, "{message}").unwrap();
    }
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in [1, 2] {
        let message: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(message["id"], id);
    }
    drop(input);
    assert!(lines.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Checks the `listening on` line, a call over HTTP, the compilation cache, and SIGTERM.
#[tokio::test]
async fn serve_answers_calls_until_sigterm() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    for round in 0..2 {
        let mut child = toolcrib
            .command(&["serve", ".", "--no-auth", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let ready = lines.find(|line| line.starts_with("listening on")).unwrap();
        assert!(
            ready.ends_with("/mcp (2 tools from 1 component)"),
            "{ready}"
        );
        let url = ready.split_whitespace().nth(2).unwrap();
        assert!(
            url.starts_with("http://127.0.0.1:") && !url.contains(":0/"),
            "{url}"
        );
        let client = Client::new(url, Revision::July2026);
        let answer = client.call("echo", json!({ "text": "hi" })).await;
        assert_eq!(answer.text(), r#"{"text":"hi"}"#);
        let kill = std::process::Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let rest: Vec<_> = lines.collect();
        assert!(
            rest.iter().any(|line| line.contains("shutting down")),
            "{rest:?}"
        );
        // Arguments are not logged.
        assert!(rest.iter().all(|line| !line.contains("hi\"")), "{rest:?}");

        let cache = toolcrib.path().join(".cache/toolcrib");
        assert_eq!(files_in(&cache).len(), 1, "round {round}");
    }
}

/// The first signal starts a graceful shutdown, the second ends the process.
#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let toolcrib = Toolcrib::new();
    let guest = Guest::with(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (call $spin)",
    );
    toolcrib.write("g", &guest.component());
    for (signals, status) in [(&["-INT"][..], 0), (&["-TERM", "-INT"], 130)] {
        let mut child = toolcrib
            .command(&["serve", "g.wasm", "--no-auth", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let ready = lines.find(|line| line.starts_with("listening on")).unwrap();
        let client = Client::new(ready.split_whitespace().nth(2).unwrap(), Revision::July2026);
        // A call that delays the graceful shutdown by half a minute.
        let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
        let message = client.message("tools/call", params);
        let running = match status {
            0 => None,
            _ => Some(client.post(&message).send().await.unwrap()),
        };
        for signal in signals {
            let id = child.id().to_string();
            assert!(
                std::process::Command::new("kill")
                    .arg(signal)
                    .arg(&id)
                    .status()
                    .unwrap()
                    .success()
            );
            // The next signal must not arrive before this one is handled.
            lines.find(|line| line.contains("shutting down"));
        }
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signals:?}");
        drop(running);
    }
}

#[test]
fn the_cache_directory_is_configurable() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    for (text, dir) in [("dir = \"cached\"", Some("cached")), ("dir = false", None)] {
        toolcrib.file(
            "c.toml",
            format!("components = [\"echo.wasm\"]\n[cache]\n{text}\n"),
        );
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(output.status, 0, "{output:?}");
        if let Some(dir) = dir {
            assert_eq!(files_in(&toolcrib.path().join(dir)).len(), 1);
        }
        assert!(!toolcrib.path().join(".cache").exists());
    }
}

/// The cache contains native code that runs without validation. Damaged entries are replaced, and a directory that
/// other users can write to is not used.
#[test]
fn untrusted_caches_are_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    toolcrib.file("c.toml", "[cache]\ndir = \"cached\"\n");
    let call = || {
        toolcrib.run(&[
            "call",
            "--config",
            "c.toml",
            "echo.wasm",
            "echo",
            r#"{"text":"hi"}"#,
        ])
    };
    assert_eq!(call().status, 0);
    let dir = toolcrib.path().join("cached");
    let [entry] = &files_in(&dir)[..] else {
        panic!("one compiled component");
    };
    assert_eq!(
        std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for damage in [&b""[..], b"rubbish", &std::fs::read(entry).unwrap()[..1000]] {
        std::fs::write(entry, damage).unwrap();
        let output = call();
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (0, "{\"text\":\"hi\"}\n"),
            "{output:?}"
        );
        // The entry has been replaced.
        assert!(std::fs::metadata(entry).unwrap().len() > 1000);
    }
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
    let output = call();
    assert_eq!(output.status, 0, "{output:?}");
    assert!(
        output.stderr.contains("not cached") && output.stderr.contains("cached"),
        "{output:?}"
    );
}
