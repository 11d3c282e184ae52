//! The command line where nothing is wrong: inspecting, calling, serving over pipes and over HTTP.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Block, Guest, Link, Reply, Tool};
use crate::support::pipes::Pipes;

fn echo() -> Guest {
    let mut guest = Guest::new();
    let sentence = guest.string("no such city");
    guest
        .tool(
            Tool::new("echo").described("Says it again.").taking(
                r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#,
            ),
            "(call $text (local.get $arguments) (local.get $arguments_len))",
        )
        .tool(Tool::new("fails"), format!("(call $failed {sentence})"));
    guest
}

#[test]
fn inspect() {
    let toolcrib = Toolcrib::new();
    let bytes = echo().component();
    toolcrib.write("echo", &bytes);
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let ended = toolcrib.run(&["inspect", "--json", "echo.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let [component] = &found.as_array().unwrap()[..] else {
        panic!("{found}");
    };
    assert_eq!(component["name"], "echo");
    assert_eq!(component["digest"], format!("sha256:{digest}"));
    assert_eq!(component["size"], bytes.len());
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

    let ended = toolcrib.run(&["inspect", "echo.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for text in [
        &digest,
        "toolcrib:mcp/call@0.1.1",
        "Says it again.",
        "\"required\":[\"text\"]",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
}

#[test]
fn check() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    let ended = toolcrib.run(&["check", "--no-auth", "echo.wasm"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "ok: 2 tools from 1 component\n")
    );
    assert_eq!(ended.stderr, "");

    let ended = toolcrib.run(&["check", "--no-auth", "--json", "echo.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
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
        let ended = toolcrib.run(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (status, ""));
        let found: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(found["ok"], false);
        let faults = found["faults"].as_array().unwrap();
        assert!(
            faults.len() == 1 && faults[0].as_str().unwrap().contains(words),
            "{found}"
        );
    }
}

#[test]
fn call() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    let arguments = r#"{"text":"Grüße"}"#;
    let ended = toolcrib.run(&["call", "echo.wasm", "echo", arguments]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, format!("{arguments}\n"));
    let ended = toolcrib.run_with(&["call", "echo.wasm", "echo", "-"], arguments);
    assert_eq!((ended.status, ended.stdout), (0, format!("{arguments}\n")));

    let ended = toolcrib.run(&["call", "--json", "echo.wasm", "echo", arguments]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        found["content"],
        json!([{ "type": "text", "text": arguments }])
    );
    assert_eq!(found["isError"], false);

    for (tool, sentence) in [("echo", "text"), ("fails", "no such city")] {
        let ended = toolcrib.run(&["call", "echo.wasm", tool]);
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(sentence),
            "{ended:?}"
        );
        let ended = toolcrib.run(&["call", "--json", "echo.wasm", tool]);
        assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
        let found: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(found["isError"], true);
    }
}

/// On a terminal, content that is no text is a line about it.
#[test]
fn call_prints_what_a_terminal_shows() {
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
    let ended = toolcrib.run(&["call", "g.wasm", "all"]);
    let wanted = "one\ntwo\n[image/png, 3 bytes]\n[https://example.com/]\n[test://a]\ninside\n[test://b, 2 bytes]\n";
    assert_eq!((ended.status, ended.stdout.as_str()), (0, wanted));
    let ended = toolcrib.run(&["call", "g.wasm", "structured"]);
    assert_eq!(ended.stdout, "{\"n\":1}\n");
}

/// The limits of the file are those of a call without a server.
#[test]
fn call_has_the_limits_of_the_file() {
    let toolcrib = Toolcrib::new();
    let guest = Guest::with(Tool::new("spin"), "(call $spin)");
    toolcrib.write("g", &guest.component());
    toolcrib.file(
        "c.toml",
        "[[component]]\nref = \"g.wasm\"\nlimits.cpu = \"200ms\"\n",
    );
    let ended = toolcrib.run(&["call", "--config", "c.toml", "g.wasm", "spin"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.stderr.contains("limit of 200ms of processor time"),
        "{ended:?}"
    );
}

#[test]
fn stdio() {
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
    let mut client = Pipes::open(&toolcrib, "echo.wasm");
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

    // Events come before the result; a level holds for the connection.
    let talk = json!({ "name": "talks", "arguments": {}, "_meta": { "progressToken": "p" } });
    client.send(&json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": talk }));
    assert_eq!(client.read()["params"]["progressToken"], "p");
    assert_eq!(client.read()["params"]["data"], "a line");
    assert_eq!(client.read()["result"]["content"][0]["text"], "done");
    client.ask(9, "logging/setLevel", json!({ "level": "error" }));
    client.send(&json!({ "jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": talk }));
    assert_eq!(client.read()["params"]["progressToken"], "p");
    assert_eq!(client.read()["result"]["content"][0]["text"], "done");

    // When the client goes, the server does.
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

/// A guest's own output never mixes with the protocol's.
#[test]
fn stdio_is_the_protocols() {
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
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in [1, 2] {
        let message: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert_eq!(message["id"], id);
    }
    drop(input);
    assert!(output.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// From the start to the end: the ready line, a call over HTTP, a compiled cache, and SIGTERM.
#[tokio::test]
async fn serve() {
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
        // Arguments are nobody's business.
        assert!(rest.iter().all(|line| !line.contains("hi\"")), "{rest:?}");

        let cache = toolcrib.path().join(".cache/toolcrib");
        let entries = std::fs::read_dir(&cache).unwrap().count();
        assert_eq!(entries, 1, "round {round}");
    }
}

/// The first signal lets calls end, the second ends the process.
#[tokio::test]
async fn signals() {
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
        // A call that would hold up the end for half a minute.
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
            // The next one is for whoever has taken this one.
            lines.find(|line| line.contains("shutting down"));
        }
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signals:?}");
        drop(running);
    }
}

/// The cache is where the file says, or nowhere.
#[test]
fn cache() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    for (text, dir) in [("dir = \"cached\"", Some("cached")), ("dir = false", None)] {
        toolcrib.file(
            "c.toml",
            format!("components = [\"echo.wasm\"]\n[cache]\n{text}\n"),
        );
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(ended.status, 0, "{ended:?}");
        if let Some(dir) = dir {
            assert_eq!(
                std::fs::read_dir(toolcrib.path().join(dir))
                    .unwrap()
                    .count(),
                1
            );
        }
        assert!(!toolcrib.path().join(".cache").exists());
    }
}

/// What is in the cache is code that runs unchecked: damage is noticed, and a directory that others could write is not used.
#[test]
fn a_cache_that_is_not_to_be_trusted() {
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
    let entry = std::fs::read_dir(&dir)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(
        std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for damage in [
        &b""[..],
        b"rubbish",
        &std::fs::read(&entry).unwrap()[..1000],
    ] {
        std::fs::write(&entry, damage).unwrap();
        let ended = call();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "{\"text\":\"hi\"}\n"),
            "{ended:?}"
        );
        // It is whole again.
        assert!(std::fs::metadata(&entry).unwrap().len() > 1000);
    }
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
    let ended = call();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.stderr.contains("not cached") && ended.stderr.contains("cached"),
        "{ended:?}"
    );
}
