//! A real receiver of OTLP: the spans of requests and of their parts, with their parents and attributes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Tool;
use crate::support::guest::http::{Fetch, http_guest};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/.venv/bin/oteltap");
/// Kinds of spans and the status of a failed one (OTLP 1.9, `trace.proto`).
const SERVER: u32 = 2;
const CLIENT: u32 = 3;
const ERROR: u32 = 2;
/// Time for a span on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The receiver, which prints what it receives as JSON.
struct Collector {
    child: Child,
    port: u16,
    lines: Receiver<String>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Collector {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut child = Command::new(RECEIVER)
            .args(["--port", &port.to_string()])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let ready = lines.recv_timeout(MAX_WAIT).unwrap();
        assert!(ready.starts_with("Listening"), "{ready}");
        Self { child, port, lines }
    }

    /// Waits until this many spans have arrived.
    fn spans(&self, count: usize) -> Vec<Value> {
        let mut spans = Vec::new();
        while spans.len() < count {
            let line = self.lines.recv_timeout(MAX_WAIT);
            let line = line.unwrap_or_else(|_| panic!("{count} spans: {spans:#?}"));
            if let Ok(value) = serde_json::from_str::<Value>(&line) {
                find_spans(&value, &mut spans);
            }
        }
        spans
    }
}

/// Collects the objects that have a `spanId` of their own, wherever they are.
fn find_spans(value: &Value, spans: &mut Vec<Value>) {
    match value {
        Value::Object(object) if object.contains_key("startTimeUnixNano") => {
            spans.push(value.clone());
        }
        Value::Object(object) => object.values().for_each(|value| find_spans(value, spans)),
        Value::Array(items) => items.iter().for_each(|item| find_spans(item, spans)),
        _ => {}
    }
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s Value {
    let attributes = span["attributes"].as_array();
    let mut attributes = attributes.into_iter().flatten();
    let found = attributes.find(|attribute| attribute["key"] == name);
    found.map_or(&Value::Null, |attribute| {
        let value = attribute["value"].as_object();
        value
            .and_then(|value| value.values().next())
            .unwrap_or(&Value::Null)
    })
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    let span = spans.iter().find(|span| span["name"] == name);
    span.unwrap_or_else(|| panic!("{name}: {spans:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_their_parts_are_spans_of_the_callers_trace() {
    let (collector, upstream) = (Collector::start(), Upstream::start().await);
    let toolcrib = Toolcrib::new();
    let url = format!("{}/asked", upstream.origin());
    let mut guest = http_guest(&[Fetch::get(&url)]);
    guest.tool(Tool::new("crashes"), "(unreachable)");
    toolcrib.write("guest", &guest.component());
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = [{:?}]\nprivate-network = true\n\
         [telemetry]\notlp = \"http://127.0.0.1:{}\"\n",
        upstream.origin(),
        collector.port
    );
    toolcrib.file("c.toml", text);
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    let params = json!({
        "name": "t0",
        "arguments": {},
        "_meta": { "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
    });
    let message = client.message("tools/call", params);
    let proxy = "00-11111111111111111111111111111111-2222222222222222-01";
    let response = client.post(&message).header("traceparent", proxy).send();
    assert!(response.await.unwrap().status().is_success());

    let spans = collector.spans(4);
    let [request, admission, guest, outgoing] =
        ["tools/call t0", "admission", "guest", "GET"].map(|name| named(&spans, name));
    let trace_id = &request["traceId"];
    assert_eq!(trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(
        request["links"][0]["traceId"],
        "11111111111111111111111111111111"
    );
    assert_eq!(request["kind"], SERVER);
    assert_eq!(outgoing["kind"], CLIENT);
    for (span, parent) in [(admission, request), (guest, request), (outgoing, guest)] {
        assert_eq!(span["parentSpanId"], parent["spanId"], "{span:#}");
        assert_eq!(&span["traceId"], trace_id);
        let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time(parent, "startTimeUnixNano") <= time(span, "startTimeUnixNano"));
        assert!(time(span, "endTimeUnixNano") <= time(parent, "endTimeUnixNano"));
    }
    for (span, name, value) in [
        (request, "mcp.method.name", "tools/call"),
        (request, "gen_ai.tool.name", "t0"),
        (request, "gen_ai.operation.name", "execute_tool"),
        (request, "mcp.protocol.version", "2026-07-28"),
        (request, "network.transport", "tcp"),
        (request, "toolcrib.outcome", "ok"),
        (outgoing, "http.request.method", "GET"),
        (outgoing, "server.address", "127.0.0.1"),
        (outgoing, "http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(span, name), value, "{span:#}");
    }

    // Without a parent in the message, the one of HTTP is the parent; a failure has its kind.
    let message = client.message("tools/call", json!({ "name": "nothing", "arguments": {} }));
    let response = client.post(&message).header("traceparent", proxy).send();
    response.await.unwrap();
    let spans = collector.spans(2);
    let request = named(&spans, "tools/call");
    assert_eq!(request["traceId"], "11111111111111111111111111111111");
    assert_eq!(attribute(request, "error.type"), "invalid");
    assert_eq!(request["status"]["code"], ERROR);

    client.call("crashes", json!({})).await;
    let spans = collector.spans(3);
    for name in ["tools/call crashes", "guest"] {
        let span = named(&spans, name);
        assert_eq!(attribute(span, "error.type"), "crashed", "{span:#}");
        assert_eq!(span["status"]["code"], ERROR, "{span:#}");
    }
}
