//! The records of requests: the log, the metrics, the audit and the traces, which agree.

mod audit;
mod bad_input;
mod metrics;
mod request_log;
mod traces;
mod usage;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::process::Process;

/// `hello` returns a word, `fails` reports a failure, `crashes` traps, `spins` never returns, `guarded` needs a scope, and
/// `number` takes a number.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    let text = guest.string("secret-result");
    let schema = json!({ "type": "object", "properties": { "n": { "type": "number" } } });
    guest
        .tool(Tool::new("fails"), format!("(call $failed {text})"))
        .tool(Tool::new("crashes"), "(unreachable)")
        .tool(Tool::new("spins"), "(call $spin)")
        .tool(Tool::new("guarded"), format!("(call $text {text})"))
        .tool(
            Tool::new("number").taking(schema),
            format!("(call $text {text})"),
        );
    guest
}

/// A server in a process of its own, with authentication.
struct Server {
    toolcrib: Toolcrib,
    issuer: Issuer,
}

impl Server {
    /// Prepares a server with these settings of `[telemetry]`.
    async fn new(telemetry: &str) -> Self {
        let (toolcrib, issuer) = (Toolcrib::new(), Issuer::start().await);
        toolcrib.write("guest", &guest().component());
        let server = Self { toolcrib, issuer };
        server.configure(telemetry);
        server
    }

    fn configure(&self, telemetry: &str) {
        let text = format!(
            "[server]\nsessions = true\npublic-url = \"https://tools.example\"\n\
             [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n\
             [[component]]\nref = \"guest.wasm\"\n[component.limits]\ntime = \"600s\"\ncpu = \"100ms\"\ncalls-per-minute = 1000\n\
             [component.tool.guarded]\nscopes = [\"admin\"]\n\
             [telemetry]\n{telemetry}\n",
            self.issuer.url(),
            self.issuer.jwks_uri(),
        );
        self.toolcrib.file("c.toml", text);
    }

    fn command(&self) -> Command {
        let arguments = ["serve", "--config", "c.toml", "--listen", "127.0.0.1:0"];
        self.toolcrib.command(&arguments)
    }

    /// Starts the server, and passes each line of its standard error to `on_line`.
    fn start(&self, on_line: impl FnMut(&str) + Send + 'static) -> Process {
        Process::start_with_log(self.command(), on_line)
    }

    fn client(&self, process: &Process) -> Client {
        let url = format!("http://{}/mcp", process.address);
        Client::new(&url, Revision::July2026).with_token(&self.issuer.token(|_| {}))
    }
}

/// Calls each tool once, and sends a request without a token. Returns the tools with their outcome.
async fn call_all(client: &Client) -> Vec<(&'static str, &'static str)> {
    let number = json!({ "n": "secret-argument" });
    for (tool, arguments) in [
        ("hello", json!({})),
        ("fails", json!({})),
        ("crashes", json!({})),
        ("spins", json!({})),
        ("guarded", json!({})),
        ("number", number),
    ] {
        client.call(tool, arguments).await;
    }
    let mut stranger = client.clone();
    stranger.token = None;
    assert_eq!(stranger.call("hello", json!({})).await.status, 401);
    vec![
        ("hello", "ok"),
        ("fails", "tool_error"),
        ("crashes", "crashed"),
        ("spins", "stopped"),
        ("guarded", "denied"),
        ("number", "invalid"),
    ]
}

/// Returns the records of an audit file.
pub(crate) fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits until a condition holds.
pub(crate) async fn wait_for(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn signal(process: &Process, signal: &str) {
    let id = process.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.unwrap().success());
}
