//! A real Prometheus that scrapes the host and evaluates the alert rules of `deploy/`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;

const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/alerts.yml");
const DASHBOARD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/grafana-dashboard.json"
);
/// Time for the start of Prometheus and some scrapes on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(120);

struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts Prometheus in the directory, with a target that it scrapes each second.
    fn start(toolcrib: &Toolcrib, target: &str) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{ALERTS:?}]\n\
             scrape_configs: [{{ job_name: toolcrib, static_configs: [{{ targets: [{target:?}] }}] }}]\n"
        );
        toolcrib.file("prometheus.yml", config);
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={free}"))
            .current_dir(toolcrib.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            url: format!("http://{free}/api/v1"),
        }
    }

    /// Returns the data of an answer of the API; `None` while Prometheus starts.
    async fn get(&self, path: &str, query: &str) -> Option<Value> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/{path}", self.url);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
        let response = client.get(url).send().await.ok()?;
        let answer: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
        Some(answer["data"].clone())
    }

    /// Waits until a query has this value.
    async fn wait_for(&self, query: &str, expected: &str) {
        let started = Instant::now();
        loop {
            let data = self.get("query", query).await;
            let value = data.as_ref().map(|data| &data["result"][0]["value"][1]);
            if value == Some(&json!(expected)) {
                return;
            }
            assert!(started.elapsed() < MAX_WAIT, "{query}: {data:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Returns the expressions of the dashboard, with values for the variables of Grafana.
fn dashboard_expressions() -> Vec<String> {
    let dashboard = std::fs::read_to_string(DASHBOARD).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    let expressions = expressions.map(|expression| {
        let expression = expression.replace("$__rate_interval", "1m");
        expression.replace("$instance", ".*")
    });
    let expressions: Vec<_> = expressions.collect();
    assert!(expressions.len() > 10, "{expressions:?}");
    expressions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_the_host_and_evaluates_the_alerts() {
    let checked = Command::new("promtool")
        .args(["check", "rules", ALERTS])
        .output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{checked:?}");

    let toolcrib = Toolcrib::new();
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(Tool::new("crashes"), "(unreachable)");
    toolcrib.write("guest", &guest.component());
    toolcrib.file(
        "c.toml",
        "components = [\"guest.wasm\"]\n[telemetry]\nmetrics = \"127.0.0.1:0\"\n",
    );
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let (sender, lines) = std::sync::mpsc::channel();
    let process = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    let mut lines = lines.iter();
    let target = lines.find_map(|line| {
        let address = line.strip_prefix("metrics on http://")?;
        Some(address.strip_suffix("/metrics")?.to_owned())
    });
    let url = format!("http://{}/mcp", process.address);
    let client = Client::new(&url, Revision::July2026);
    for _ in 0..3 {
        client.call("hello", json!({})).await;
        client.call("crashes", json!({})).await;
    }
    let prometheus = Prometheus::start(&toolcrib, &target.unwrap());
    let count = "mcp_server_operation_duration_seconds_count";
    for (query, expected) in [
        ("up{job=\"toolcrib\"}", "1".to_owned()),
        (
            &format!("{count}{{gen_ai_tool_name=\"hello\",outcome=\"ok\"}}"),
            "3".into(),
        ),
        (
            &format!("{count}{{gen_ai_tool_name=\"crashes\",outcome=\"crashed\"}}"),
            "3".into(),
        ),
        ("toolcrib_components", "1".into()),
        // A histogram with all its buckets.
        (
            "count(mcp_server_operation_duration_seconds_bucket{gen_ai_tool_name=\"hello\"})",
            "19".into(),
        ),
        (
            "toolcrib_places_in_use / toolcrib_places > bool 0.9",
            "0".into(),
        ),
    ] {
        prometheus.wait_for(query, &expected).await;
    }
    for expression in dashboard_expressions() {
        let answer = prometheus.get("query", &expression).await;
        let kind = answer.as_ref().map(|data| data["resultType"].clone());
        assert_eq!(kind, Some(json!("vector")), "{expression}: {answer:?}");
    }
    let started = Instant::now();
    loop {
        let rules = prometheus.get("rules", "").await.unwrap_or_default();
        let rules = rules["groups"][0]["rules"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let health: Vec<_> = rules.iter().map(|rule| rule["health"].as_str()).collect();
        if health.len() == 8 && health.iter().all(|health| *health == Some("ok")) {
            break;
        }
        assert!(started.elapsed() < MAX_WAIT, "{rules:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
