//! The catalog changes while it is served: files come, go, break and mend, and clients hear of it.

mod clients;
mod files;
mod grants;
mod kernel;
mod meanwhile;
mod settings;
mod ways;

use std::time::{Duration, Instant};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::Process;
use crate::support::server::{Host, write};

/// How long a change may take to be served; a busy machine needs some of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is `true`, in time.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.list().await;
    let tools = answer.result()["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn until_names(client: &Client, expected: &[&str]) {
    until(&format!("{expected:?}"), async || {
        names(client).await == expected
    })
    .await;
}

async fn until_says(client: &Client, tool: &str, text: &str) {
    until(text, async || {
        let answer = client.call(tool, serde_json::json!({})).await;
        answer.last()["result"]["content"][0]["text"] == text
    })
    .await;
}

/// What `/readyz` says below its word.
async fn problems(host: &Host) -> Vec<String> {
    let answer = host
        .client()
        .http
        .get(host.url("/readyz"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.text().await.unwrap();
    let mut lines = body.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("ready"), "{body}");
    lines.collect()
}

async fn until_problem(host: &Host, parts: &[&str]) {
    until(&format!("{parts:?}"), async || {
        let problems = problems(host).await;
        let has = |line: &String| parts.iter().all(|part| line.contains(part));
        problems.len() == 1 && problems.iter().all(has)
    })
    .await;
}

async fn until_ready(host: &Host) {
    until("no problems", async || problems(host).await.is_empty()).await;
}

/// Puts a component into the watched directory, whole at once.
fn put(host: &Host, name: &str, guest: &Guest) {
    let made = write(host.dir(), &format!(".{name}"), &guest.component());
    std::fs::rename(made, host.dir().join(format!("{name}.wasm"))).unwrap();
}

/// Serves these references to everybody in a process of its own.
fn serve(place: &Toolcrib, references: &[&str]) -> Process {
    let mut command = place.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
    command.args(references);
    Process::start(command)
}

fn client(process: &Process) -> Client {
    Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    )
}

/// The threads in which the process hears of changes. Each look begins with a new one.
fn listeners(process: &Process) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let tasks = tasks.filter_map(|task| Some(task.ok()?.path()));
    let listeners = tasks.filter(|task| {
        let name = std::fs::read_to_string(task.join("comm"));
        name.is_ok_and(|name| name.starts_with("notify-rs"))
    });
    listeners.map(|task| task.display().to_string()).collect()
}

fn remove(host: &Host, name: &str) {
    std::fs::remove_file(host.dir().join(format!("{name}.wasm"))).unwrap();
}
