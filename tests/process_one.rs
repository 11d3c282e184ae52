//! The first process of a PID namespace, as in a container: the system ignores its signals unless it handles them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::TOOLCRIB;
use crate::support::stdio_client::StdioClient;

/// Starts the binary as process 1.
fn start(toolcrib: &Toolcrib, arguments: &[&str]) -> Child {
    Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", TOOLCRIB])
        .args(arguments)
        .current_dir(toolcrib.path())
        .env("HOME", toolcrib.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the id of process 1 outside of its namespace.
fn process_one(unshare: &Child) -> String {
    let id = unshare.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.trim().to_owned()
}

fn end(mut unshare: Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &process_one(&unshare)])
        .status();
    assert!(sent.unwrap().success());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = unshare.try_wait().unwrap() {
            break status;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "process 1 goes on"
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

fn toolcrib() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &Guest::saying("hello", "hello").component());
    toolcrib
}

#[test]
fn stdio_ends_as_process_one() {
    let toolcrib = toolcrib();
    let mut child = start(&toolcrib, &["stdio", "hello.wasm"]);
    let mut client = StdioClient {
        input: child.stdin.take(),
        output: BufReader::new(child.stdout.take().unwrap()),
        child,
    };
    let initialize = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    client.ask(1, "initialize", initialize);
    end(client.child);
}

#[test]
fn serve_ends_as_process_one() {
    let toolcrib = toolcrib();
    let arguments = [
        "serve",
        "--no-auth",
        "--listen",
        "127.0.0.1:0",
        "hello.wasm",
    ];
    let mut child = start(&toolcrib, &arguments);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains("listening on")));
    end(child);
}
