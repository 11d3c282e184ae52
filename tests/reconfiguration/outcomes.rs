//! Records and metrics of configurations that were read.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Server;
use crate::operations::{records, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_recorded() {
    let telemetry = "[telemetry]\naudit = \"audit.jsonl\"\nmetrics = \"127.0.0.1:0\"";
    let server = Server::start(|text, toolcrib| {
        text.rest = telemetry.into();
        text.server += "\nname = { file = \"name\" }";
        toolcrib.file("name", "one");
    })
    .await;
    let mut text = server.text();
    text.rest = telemetry.into();
    text.server += "\nname = { file = \"name\" }";
    let mut broken = server.text();
    broken.rest = "[limits]\ntime = 5\ncpu = 5".into();
    server.take_in(&text).await;
    assert_eq!(server.refuse(&broken, 2).await.len(), 2);
    server.take_in(&text).await;
    let rotate = || {
        server.toolcrib.file("name", "two");
    };
    server.logged_after("configuration taken in", rotate).await;

    let path = server.toolcrib.path().join("audit.jsonl");
    let read = || {
        let records = records(&path).into_iter();
        records
            .filter(|record| record["event"] == "configuration")
            .collect::<Vec<Value>>()
    };
    wait_for(|| read().len() >= 5).await;
    assert_eq!(read().len(), 5, "{:?}", read());
    let of = |key: &str| read().iter().map(|r| r[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("source"), ["file", "file", "file", "file", "values"]);
    assert_eq!(
        of("outcome"),
        ["success", "success", "failure", "success", "success"]
    );
    assert_eq!(of("faults"), [0, 0, 2, 0, 0]);
    let digests = of("digest");
    assert!(digests[0].as_str().unwrap().starts_with("sha256:"));
    assert!(digests[2] != digests[0]);
    assert!([1, 3, 4].iter().all(|n| digests[*n] == digests[0]));

    let lines = server.logged("metrics on ");
    let url = lines[0].strip_prefix("metrics on ").unwrap();
    let scraped = reqwest::get(url).await.unwrap().text().await.unwrap();
    let value = |series: &str| {
        let mut lines = scraped.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("{series}: {scraped}"));
        value.parse::<f64>().unwrap()
    };
    assert_eq!(
        value("toolcrib_config_reloads_total{result=\"success\"}"),
        3.0
    );
    assert_eq!(
        value("toolcrib_config_reloads_total{result=\"failure\"}"),
        1.0
    );
    assert_eq!(value("toolcrib_config_last_reload_successful"), 1.0);
    let time = value("toolcrib_config_last_reload_success_timestamp_seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.as_secs_f64() - time < 60.0, "{time}");
}
