//! The log and the metrics of requests to mounts: each names the route, with labels of its own.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use super::{HELLO, handler};
use crate::support::command::Toolcrib;
use crate::support::process::Process;

/// Gives `internal-error` with a text of 60,000 zeros in place of a response.
const FAILS: &str = "
    (call $set (local.get $outparam) (i32.const 1) (i32.const 38) (i32.const 1)
      (i64.const 65536) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 0))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_and_metrics_name_the_mount() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hook", &handler(HELLO));
    toolcrib.write("fails", &handler(FAILS));
    toolcrib.file(
        "c.toml",
        "[[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"\n\
         [[mount]]\npath = \"/fails\"\nref = \"fails.wasm\"\n\
         [server]\nmax-body = \"10KiB\"\n\
         [telemetry]\nlog = \"json\"\nmetrics = \"127.0.0.1:0\"\n",
    );
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let (sender, lines) = channel();
    let process = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    let mut early = lines.iter();
    let metrics = early.find_map(|line| Some(line.strip_prefix("metrics on ")?.to_owned()));
    let http = reqwest::Client::new();
    for (method, path, body, status) in [
        ("GET", "/fails/x", 0, 500),
        ("GET", "/hook/a?b=c", 0, 201),
        ("PURGE", "/hook", 0, 201),
        ("PUT", "/hook", 20_000, 413),
    ] {
        let url = format!("http://{}{path}", process.address);
        let request = http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        let request = request.body(vec![0; body]);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    let next = |message: &str| loop {
        let line = lines.recv_timeout(Duration::from_secs(30)).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap_or_default();
        if object["message"] == message {
            assert!(line.len() < 10_000, "{line}");
            break object;
        }
    };
    let failed = next("handler failed");
    assert_eq!(failed["component.name"], "fails", "{failed}");
    let request = next("request");
    assert_eq!(request["http.route"], "/fails", "{request}");
    assert_eq!(request["http.method"], "GET", "{request}");
    assert!(request["mcp.method"].is_null(), "{request}");
    assert!(failed["call.id"].is_string(), "{failed}");
    assert_eq!(failed["call.id"], request["call.id"]);

    // A request is counted when its response has been sent.
    let started = Instant::now();
    let count = "mcp_server_operation_duration_seconds_count";
    let has = |text: &str, method: &str, path: &str, outcome: &str| {
        let labels = format!(
            "{count}{{http_request_method=\"{method}\",http_route=\"{path}\",toolcrib_component="
        );
        let outcome = format!("outcome=\"{outcome}\"");
        let mut lines = text.lines();
        lines.any(|line| {
            line.starts_with(&labels) && line.contains(&outcome) && line.ends_with("} 1")
        })
    };
    let text = loop {
        let answer = http.get(metrics.as_deref().unwrap()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        if has(&text, "PUT", "/hook", "refused") {
            break text;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{text}");
    };
    assert!(has(&text, "GET", "/hook", "ok"), "{text}");
    assert!(has(&text, "_other", "/hook", "ok"), "{text}");
    assert!(has(&text, "GET", "/fails", "crashed"), "{text}");
    for absent in ["mcp_resource_uri", "PURGE", "mcp_method_name"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
}
