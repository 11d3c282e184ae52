//! A start with a Redis that cannot be used, and with one that is not there yet.

use std::time::{Duration, Instant};

use serde_json::json;

use super::guest;
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::task_client::{call, request, task_id, wait_for_status};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/replicas.md");

/// Writes a configuration with this Redis.
fn configured(url: &str) -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    toolcrib.file(
        "c.toml",
        format!(
            "components = [\"guest.wasm\"]\n[server]\nlisten = \"127.0.0.1:0\"\n\
             state-key = \"0123456789abcdef0123456789abcdef\"\n[shared]\nurl = {url:?}\n\
             [telemetry]\nmetrics = \"127.0.0.1:0\"\n[limits]\ncalls-per-minute = 60\n"
        ),
    );
    toolcrib
}

const SERVE: [&str; 4] = ["serve", "--no-auth", "--config", "c.toml"];
const CHECK: [&str; 5] = ["check", "--online", "--no-auth", "--config", "c.toml"];

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_be_used_ends_the_start_with_one_sentence() {
    let evicting = Redis::with(&["--maxmemory-policy", "allkeys-lru"]);
    let volatile = Redis::with(&["--maxmemory-policy", "volatile-ttl"]);
    let read_only = Redis::with(&["--replicaof", "127.0.0.1", "9"]);
    let redis = Redis::start();
    let port = redis.port;
    for (url, expected) in [
        (evicting.url(), "its maxmemory-policy is \"allkeys-lru\""),
        (volatile.url(), "its maxmemory-policy is \"volatile-ttl\""),
        (read_only.url(), "read only replica"),
        (
            format!("redis://127.0.0.1:{port}"),
            "it refuses the credentials of the URL",
        ),
        (
            format!("redis://:hunter2@127.0.0.1:{port}"),
            "it refuses the credentials of the URL",
        ),
        (format!("{}/7", redis.url()), "out of range"),
    ] {
        let ended = configured(&url).run(&SERVE);
        assert_eq!(ended.status, 2, "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{ended:?}");
        assert!(
            lines[0].contains("`shared.url` names redis://127.0.0.1:"),
            "{ended:?}"
        );
        assert!(lines[0].contains(expected), "{ended:?}");
        let asked = configured(&url).run(&CHECK);
        assert_eq!(asked.status, 1, "{asked:?}");
        let mut lines = asked.stdout.lines();
        let failed = lines.find(|line| line.starts_with("failed: shared state redis://127.0.0.1:"));
        assert!(
            failed.is_some_and(|line| line.contains(expected)),
            "{asked:?}"
        );
        for secret in ["hunter2", "horse"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
            assert!(!format!("{asked:?}").contains(secret), "{asked:?}");
        }
    }
    let asked = configured(&redis.url()).run(&CHECK);
    assert_eq!(asked.status, 0, "{asked:?}");
    let reached = "reached: shared state redis://127.0.0.1:";
    assert!(asked.stdout.contains(reached), "{asked:?}");
}

/// Redis need not be there at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_starts_without_redis_and_finds_it_later() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let toolcrib = configured(&format!("redis://:correct%20horse@127.0.0.1:{port}"));
    let (sender, lines) = std::sync::mpsc::channel();
    let process = Process::start_with_log(toolcrib.command(&SERVE), move |line| {
        let _ = sender.send(line.to_owned());
    });
    let warning = lines.iter().find(|line| line.contains("shared state away"));
    let warning = warning.unwrap();
    assert!(warning.contains("nothing listens there"), "{warning}");
    assert!(!warning.contains("horse"), "{warning}");
    let base = format!("http://{}", process.address);
    let client = Client::new(&format!("{base}/mcp"), Revision::July2026);
    let ready = async || {
        let response = client.http.get(format!("{base}/readyz")).send().await;
        response.unwrap().text().await.unwrap()
    };
    let expected = format!(
        "ready\nthe shared state at redis://127.0.0.1:{port} is away: nothing listens there\n"
    );
    assert_eq!(ready().await, expected);
    assert_eq!(call(&client, "quick").await.text(), "done");
    assert!(
        call(&client, "task")
            .await
            .failure()
            .starts_with("there can be no task now")
    );
    let _redis = Redis::with(&["--port", &port.to_string()]);
    let started = Instant::now();
    while ready().await != "ready\n" {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    task_id(&call(&client, "task").await);
}

/// The rights that the documentation names are enough, for keys with the prefix alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_are_enough() {
    let redis = Redis::start();
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, rights) = page.split_once("The user needs the commands ").unwrap();
    let (rights, _) = rights.split_once(". All keys").unwrap();
    let rights = rights.split('`').skip(1).step_by(2);
    let rights: Vec<_> = rights
        .map(|name| format!("+{}", name.to_lowercase()))
        .collect();
    let mut user = vec!["ACL", "SETUSER", "crib", "on", ">secret", "~{toolcrib}:*"];
    user.extend(rights.iter().map(String::as_str));
    assert_eq!(redis.command(&user), "OK\n", "{user:?}");
    let toolcrib = configured(&format!("redis://crib:secret@127.0.0.1:{}", redis.port));
    let (sender, lines) = std::sync::mpsc::channel();
    let process = Process::start_with_log(toolcrib.command(&SERVE), move |line| {
        let _ = sender.send(line.to_owned());
    });
    let metrics = lines
        .iter()
        .find_map(|line| Some(line.split_once("metrics on ")?.1.to_owned()));
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    let id = task_id(&call(&client, "asks").await);
    wait_for_status(&client, &id, "input_required").await;
    let answers = json!({ "name": { "action": "accept", "content": {} } });
    let params = json!({ "taskId": id, "inputResponses": answers });
    request(&client, "tasks/update", params).await.result();
    wait_for_status(&client, &id, "completed").await;
    let scraped = client.http.get(metrics.unwrap()).send().await.unwrap();
    let scraped = scraped.text().await.unwrap();
    assert!(
        scraped.contains("toolcrib_shared_available 1\n"),
        "{scraped}"
    );
    let failed = "toolcrib_shared_operations_total{result=\"failed\"} 0\n";
    assert!(scraped.contains(failed), "{scraped}");
    let answered = scraped.lines().find_map(|line| {
        let count = line.strip_prefix("toolcrib_shared_operations_total{result=\"ok\"} ")?;
        count.parse::<u64>().ok()
    });
    assert!(answered.unwrap() > 8, "{scraped}");
    // Without one of them, the start fails and says so.
    redis.command(&["ACL", "SETUSER", "crib", "-set"]);
    let ended = toolcrib.run(&SERVE);
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(
        ended.stderr.contains("it refuses the credentials"),
        "{ended:?}"
    );
}
