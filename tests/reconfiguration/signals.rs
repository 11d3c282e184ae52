//! SIGHUP never ends a process.

use std::process::Child;
use std::time::Duration;

use serde_json::json;

use super::{Server, signal};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::stdio_client::StdioClient;

/// The bit of SIGHUP in the masks of `/proc/PID/status`.
const HANGUP: u64 = 1;

/// Waits until a process handles SIGHUP, then sends it several times.
fn hang_up_early(process: &Child) {
    let path = format!("/proc/{}/status", process.id());
    loop {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let mut masks = status
            .lines()
            .filter_map(|line| line.strip_prefix("SigCgt:"));
        let mask = masks
            .next()
            .map(|mask| u64::from_str_radix(mask.trim(), 16));
        if mask.is_some_and(|mask| mask.unwrap() & HANGUP != 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    for _ in 0..20 {
        signal(process.id(), "-HUP");
    }
}

/// A guest whose tool `spin` runs for a while.
fn toolcrib() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(Tool::new("spin"), "(call $spin)");
    toolcrib.write("guest", &guest.component());
    toolcrib.file("c.toml", "[limits]\ntime = \"1s\"\n");
    toolcrib
}

#[test]
fn commands_survive() {
    let toolcrib = toolcrib();
    for (arguments, status, output) in [
        (
            &["call", "--config", "c.toml", "guest.wasm", "spin"][..],
            1,
            "time limit of 1s",
        ),
        (&["check", "guest.wasm"], 0, "ok: 2 tools"),
        (&["inspect", "guest.wasm"], 0, "hello"),
    ] {
        let child = toolcrib.command(arguments).spawn().unwrap();
        hang_up_early(&child);
        let done = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert_eq!(done.status.code(), Some(status), "{arguments:?}: {text}");
        assert!(text.contains(output), "{text}");
    }
}

#[test]
fn standard_input_is_served_on() {
    let toolcrib = toolcrib();
    let mut client = StdioClient::open(&toolcrib, "guest.wasm");
    hang_up_early(&client.child);
    let initialize = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    client.ask(1, "initialize", initialize);
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    signal(client.child.id(), "-HUP");
    let call = json!({ "name": "hello", "arguments": {} });
    let answer = client.ask(2, "tools/call", call);
    assert_eq!(answer["result"]["content"][0]["text"], "hello");
    drop(client.input.take());
    assert!(client.child.wait().unwrap().success());
}

/// A signal during the start takes the configuration in when the server has started; one during the drain does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_survive_at_any_moment() {
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(Tool::new("spin"), "(call $spin)");
    let mut server = Server::start(|text, toolcrib| {
        toolcrib.write("hello", &guest.component());
        text.rest = "[limits]\ntime = \"2s\"".into();
    })
    .await;
    let client = server.client();
    let message = client.message("tools/call", json!({ "name": "spin", "arguments": {} }));
    let running = tokio::spawn(client.post(&message).send());
    while server.client().call("hello", json!({})).await.status != 200 {}
    let id = server.process.id();
    let stop = || signal(id, "-TERM");
    server.logged_after("shutting down", stop).await;
    for _ in 0..20 {
        signal(id, "-HUP");
    }
    let answer = running.await.unwrap();
    // Accepted before the drain, or refused since it came later.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(server.process.ended().code(), Some(0));
    assert!(server.logged("configuration taken in").is_empty());
}

#[test]
fn a_signal_during_the_start_is_not_lost() {
    use std::io::{BufRead, BufReader};

    let toolcrib = toolcrib();
    let serve = [
        "serve",
        "--no-auth",
        "--listen",
        "127.0.0.1:0",
        "guest.wasm",
    ];
    let mut child = toolcrib.command(&serve).spawn().unwrap();
    hang_up_early(&child);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains("listening on")));
    assert!(lines.any(|line| line.contains("configuration taken in")));
    child.kill().unwrap();
    child.wait().unwrap();
}
