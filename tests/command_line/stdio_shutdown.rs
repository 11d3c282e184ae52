//! `toolcrib stdio` told to stop: it lets calls that run end, and takes no further ones.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::stdio_client::StdioClient;

/// A client with an open session of a server whose tool `spin` reports progress and runs until it is stopped.
struct Session {
    client: StdioClient,
    _toolcrib: Toolcrib,
}

impl Session {
    fn open(settings: &str) -> Self {
        let toolcrib = Toolcrib::new();
        let mut guest = Guest::saying("hello", "hello");
        guest.tool(
            Tool::new("spin"),
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $spin)",
        );
        toolcrib.write("guest", &guest.component());
        toolcrib.file("c.toml", settings);
        let arguments = ["--config", "c.toml", "guest.wasm"];
        let mut client = StdioClient::start(&toolcrib, &arguments);
        let initialize = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        client.ask(1, "initialize", initialize);
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        Self {
            client,
            _toolcrib: toolcrib,
        }
    }

    /// Starts `spin` and waits until it runs.
    fn spin(&mut self) {
        let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
        self.client
            .send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }));
        let progress = self.client.read();
        assert_eq!(progress["method"], "notifications/progress", "{progress}");
    }

    fn signal(&self, signal: &str) {
        let id = self.client.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        self.client.child.wait().unwrap()
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn running_calls_may_finish() {
    for signal in ["-TERM", "-INT"] {
        let mut session = Session::open("[limits]\ntime = \"2s\"\n");
        session.spin();
        session.signal(signal);
        // Requests from now on are refused.
        let mut refused = Value::Null;
        let mut ended = Value::Null;
        for id in 3.. {
            let message = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
            session.client.send(&message);
            let answer = session.client.read();
            if answer["id"] == 2 {
                ended = answer;
                break;
            }
            if answer["error"].is_object() {
                refused = answer;
                break;
            }
        }
        let message = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("shutting down"), "{refused} {ended}");
        while ended["id"] != 2 {
            ended = session.client.read();
        }
        assert!(text(&ended).contains("time limit of 2s"), "{ended}");
        // The input is still open.
        assert_eq!(session.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn calls_that_outlast_the_drain_are_cancelled() {
    let mut session =
        Session::open("[server]\ndrain = \"300ms\"\n[limits]\ntime = \"600s\"\ncpu = \"600s\"\n");
    session.spin();
    let started = Instant::now();
    session.signal("-TERM");
    let answer = session.client.read();
    assert_eq!(text(&answer), "the call was cancelled");
    assert_eq!(session.ended().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_second_signal_ends_the_process() {
    let mut session = Session::open("[limits]\ntime = \"600s\"\ncpu = \"600s\"\n");
    session.spin();
    session.signal("-TERM");
    loop {
        // The first one has arrived when requests are refused.
        session
            .client
            .send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }));
        if session.client.read()["error"].is_object() {
            break;
        }
    }
    session.signal("-TERM");
    let status = session.ended();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}

#[test]
fn an_idle_server_ends_at_once() {
    for signal in ["-TERM", "-INT"] {
        let mut session = Session::open("");
        session.signal(signal);
        assert_eq!(session.ended().code(), Some(0), "{signal}");
    }
}

/// The end of the input ends the server as before.
#[test]
fn the_end_of_the_input_ends_the_server() {
    let mut session = Session::open("");
    drop(session.client.input.take());
    assert_eq!(session.ended().code(), Some(0));
}
