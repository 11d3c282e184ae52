//! Traces: a collector that is away costs no call, and outgoing requests carry the trace on.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::http::{Fetch, http_guest};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// Serves a guest that asks `upstream`, with these settings of `[telemetry]`, calls it once in a trace, and returns its
/// request's headers `traceparent` and `tracestate`.
async fn outgoing_headers(upstream: &Upstream, telemetry: &str) -> Vec<String> {
    let toolcrib = Toolcrib::new();
    let url = format!("{}/asked", upstream.origin());
    toolcrib.write("guest", &http_guest(&[Fetch::get(&url)]).component());
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = [{:?}]\nprivate-network = true\n\
         [telemetry]\n{telemetry}\n",
        upstream.origin()
    );
    toolcrib.file("c.toml", text);
    let arguments = ["serve", "--no-auth", "--config", "c.toml"];
    let mut command = toolcrib.command(&arguments);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let url = format!("http://{}/mcp", process.address);
    let client = Client::new(&url, Revision::July2026);
    let meta = json!({
        "traceparent": format!("00-{TRACE_ID}-b7ad6b7169203331-01"),
        "tracestate": "vendor=1",
    });
    let params = json!({ "name": "t0", "arguments": {}, "_meta": meta });
    let answer = client.request("tools/call", params).await;
    assert_eq!(answer.text(), "200 asked /asked");
    let heads = upstream.request_heads();
    let head = heads.iter().rfind(|head| head.starts_with("GET")).unwrap();
    let lines = head.lines().filter(|line| line.starts_with("trace"));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outgoing_requests_carry_the_trace_on_unless_it_is_switched_off() {
    let upstream = Upstream::start().await;
    // Nobody listens on this port.
    let otlp = "otlp = \"http://127.0.0.1:9\"";
    let mut headers = outgoing_headers(&upstream, otlp).await;
    headers.sort();
    let [parent, state] = &headers[..] else {
        panic!("{headers:?}");
    };
    assert_eq!(state, "tracestate: vendor=1");
    // The caller's trace, but a span of this host.
    let start = format!("traceparent: 00-{TRACE_ID}-");
    assert!(
        parent.starts_with(&start) && parent.ends_with("-01"),
        "{parent}"
    );
    assert!(!parent.contains("b7ad6b7169203331"), "{parent}");

    let off = format!("{otlp}\ntrace-outgoing = false");
    assert_eq!(outgoing_headers(&upstream, &off).await, [""; 0]);
    assert_eq!(outgoing_headers(&upstream, "").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_sent_and_a_collector_that_is_away_costs_no_call() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &super::guest().component());
    let collector = Upstream::start().await;
    let address = collector.address.to_string();
    let text = format!(
        "[telemetry]\nlog = \"json\"\notlp = \"{}/base/\"\n",
        collector.origin()
    );
    toolcrib.file("c.toml", format!("components = [\"guest.wasm\"]\n{text}"));
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let (sender, lines) = channel();
    let process = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    let started = Instant::now();
    let sent = loop {
        if let Some(head) = collector.request_heads().first() {
            break head.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(sent.starts_with("POST /base/v1/traces HTTP/1.1"), "{sent}");
    assert!(
        sent.contains("content-type: application/x-protobuf"),
        "{sent}"
    );

    drop(collector);
    // A listener that accepts and never answers.
    let _silent = loop {
        // The collector ends in the background.
        match tokio::net::TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "waits for the collector"
        );
    }
    let failures = loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).unwrap();
        if line.contains("spans not sent to the collector") {
            break line;
        }
    };
    assert!(failures.contains("no response within"), "{failures}");
}
