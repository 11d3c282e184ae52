//! The metrics, on an address of their own.

use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::json;

use super::{Server, call_all};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::http::{Fetch, add_http_imports, fetch};
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

/// Returns the sum of the values of the series whose line has all of these parts.
fn value(text: &str, parts: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_the_log_says() {
    let server = Server::new("metrics = \"127.0.0.1:0\"").await;
    let (sender, lines) = channel();
    let process = server.start(move |line| {
        let _ = sender.send(line.to_owned());
    });
    let mut early = lines.iter();
    let url = early.find_map(|line| Some(line.strip_prefix("metrics on ")?.to_owned()));
    let url = url.unwrap();
    let client = server.client(&process);
    for _ in 0..2 {
        for (tool, _) in call_all(&client).await {
            assert!(!tool.is_empty());
        }
    }
    client.request("no/such-method", json!({})).await;
    client.list().await;
    let scrape = async || {
        let response = client.http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let media_type = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            media_type.starts_with("application/openmetrics-text"),
            "{media_type}"
        );
        response.text().await.unwrap()
    };
    // A request is counted when its response has been sent.
    let started = std::time::Instant::now();
    let count = "mcp_server_operation_duration_seconds_count";
    let text = loop {
        let text = scrape().await;
        if value(&text, &[count, "tools/list"]) == 1.0 {
            break text;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{text}");
    };
    for (tool, outcome) in [
        ("hello", "ok"),
        ("fails", "tool_error"),
        ("crashes", "crashed"),
        ("spins", "stopped"),
        ("guarded", "denied"),
        ("number", "invalid"),
    ] {
        let tool = format!("gen_ai_tool_name=\"{tool}\"");
        let labels = [&*tool, &format!("outcome=\"{outcome}\"")];
        let labels = [labels[0], labels[1], "mcp_protocol_version=\"2026-07-28\""];
        assert_eq!(
            value(&text, &[&[count], &labels[..]].concat()),
            2.0,
            "{text}"
        );
        assert_eq!(value(&text, &[count, labels[0]]), 2.0, "{text}");
    }
    for (parts, expected) in [
        (&[count, "mcp_method_name=\"_other\""][..], 1.0),
        (&["toolcrib_requests_refused_total", "unauthenticated"], 2.0),
        (&["toolcrib_tokens_total", "verified"], 1.0),
        (
            &[
                "toolcrib_tokens_refused_total",
                "reason=\"a bearer token is needed\"",
            ],
            2.0,
        ),
        (&["toolcrib_key_fetches_total", "result=\"ok\""], 1.0),
        (&["toolcrib_sessions "], 0.0),
        (&["toolcrib_tasks "], 0.0),
        (&["toolcrib_components "], 1.0),
        (&["toolcrib_places_in_use "], 0.0),
        (&["toolcrib_places "], 256.0),
        // Places, and slots to describe components and for instances that wait.
        (&["toolcrib_pool_slots "], 292.0),
        (&["toolcrib_build_info", "version="], 1.0),
        // One of two calls takes at least its limit.
        (
            &[
                "duration_seconds_bucket",
                "gen_ai_tool_name=\"spins\"",
                "le=\"0.05\"",
            ],
            0.0,
        ),
    ] {
        assert_eq!(value(&text, parts), expected, "{parts:?}: {text}");
    }
    assert!(
        value(&text, &["guest_cpu_seconds_total", "\"spins\""]) >= 0.2,
        "{text}"
    );
    assert!(
        value(&text, &["peak_memory_bytes_sum", "\"hello\""]) > 0.0,
        "{text}"
    );
    assert!(
        value(&text, &["response_bytes_total", "\"hello\""]) > 100.0,
        "{text}"
    );
    assert!(
        value(&text, &["toolcrib_tokens_total", "remembered"]) >= 13.0,
        "{text}"
    );
    assert!(value(&text, &["toolcrib_connections "]) >= 1.0, "{text}");
    // Nothing about callers.
    assert!(!text.contains("alice"), "{text}");
    for (method, path, status) in [("GET", "/", 404), ("POST", "/metrics", 404)] {
        let url = url.replace("/metrics", path);
        let request = client.http.request(method.parse().unwrap(), url);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    // Each series occurs once.
    let mut series: Vec<_> = text
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    series.sort_unstable();
    let twice = series.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
    // They are served nowhere else.
    let other = format!("http://{}/metrics", process.address);
    assert_eq!(client.http.get(other).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outgoing_requests_are_counted_by_grant_and_decision() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    add_http_imports(&mut guest);
    for (name, url) in [
        ("granted", format!("{}/text", upstream.origin())),
        ("denied", "http://evil.example/secret".into()),
    ] {
        let fetch = fetch(&mut guest, &Fetch::get(&url));
        guest.tool(Tool::new(name), format!("{fetch} (call $said)"));
    }
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest.component());
    let config = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\nhttp = [{:?}]\nprivate-network = true\n\
         [telemetry]\nmetrics = \"127.0.0.1:0\"\n",
        upstream.origin()
    );
    toolcrib.file("c.toml", config);
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let (sender, lines) = channel();
    let process = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    let mut lines = lines.iter();
    let url = lines.find_map(|line| Some(line.strip_prefix("metrics on ")?.to_owned()));
    let endpoint = format!("http://{}/mcp", process.address);
    let client = Client::new(&endpoint, Revision::July2026);
    for tool in ["granted", "granted", "denied"] {
        client.call(tool, json!({})).await;
    }
    let text = client.http.get(url.unwrap()).send().await.unwrap();
    let text = text.text().await.unwrap();
    let requests = |decision: &str| value(&text, &["egress_requests_total", "\"guest\"", decision]);
    assert_eq!(
        requests("host=\"127.0.0.1\",decision=\"allowed\""),
        2.0,
        "{text}"
    );
    assert_eq!(requests("decision=\"denied\""), 1.0, "{text}");
    assert!(!text.contains("evil") && !text.contains("secret"), "{text}");
}
