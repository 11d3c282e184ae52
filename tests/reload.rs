//! Reloading: changes of component files are served without a restart, and clients are notified of them.

mod app;
mod calls;
mod command_line;
mod config_maps;
mod during_startup;
mod files;
mod grants;
mod inotify;
mod problems;
mod references;
mod scans;
mod sessions;
mod settings;
mod subscriptions;

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use toolcrib::config::{Config, Overrides, WatchMode};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::Process;
use crate::support::server::{Host, write};

/// Time after which a change must be served, even on a busy machine.
const MAX_RELOAD_TIME: Duration = Duration::from_secs(30);

/// Waits until `condition` returns `true`; fails after [`MAX_RELOAD_TIME`].
pub(crate) async fn wait_until(description: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(
            started.elapsed() < MAX_RELOAD_TIME,
            "timed out waiting for: {description}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn tool_names(client: &Client) -> Vec<String> {
    let answer = client.list().await;
    let tools = answer.result()["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Waits until exactly these tools are listed.
pub(crate) async fn wait_for_tools(client: &Client, expected: &[&str]) {
    wait_until(&format!("the tools {expected:?}"), async || {
        tool_names(client).await == expected
    })
    .await;
}

/// Waits until a call of the tool returns this text.
pub(crate) async fn wait_for_text(client: &Client, tool: &str, text: &str) {
    wait_until(&format!("{text:?} from {tool}"), async || {
        let answer = client.call(tool, serde_json::json!({})).await;
        answer.last()["result"]["content"][0]["text"] == text
    })
    .await;
}

/// Returns the problems that `/readyz` lists below its first line.
async fn ready_problems(host: &Host) -> Vec<String> {
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

/// Waits until `/readyz` lists one problem, which contains all of `parts`.
pub(crate) async fn wait_for_problem(host: &Host, parts: &[&str]) {
    wait_until(&format!("a problem with {parts:?}"), async || {
        let problems = ready_problems(host).await;
        let matches = |line: &String| parts.iter().all(|part| line.contains(part));
        problems.len() == 1 && problems.iter().all(matches)
    })
    .await;
}

pub(crate) async fn wait_for_no_problems(host: &Host) {
    wait_until("no problems", async || {
        ready_problems(host).await.is_empty()
    })
    .await;
}

/// Writes a component into the watched directory atomically.
fn put_component(host: &Host, name: &str, guest: &Guest) {
    let temporary = write(host.dir(), &format!(".{name}"), &guest.component());
    std::fs::rename(temporary, host.dir().join(format!("{name}.wasm"))).unwrap();
}

fn remove_component(host: &Host, name: &str) {
    std::fs::remove_file(host.dir().join(format!("{name}.wasm"))).unwrap();
}

/// A component with the tool `tool`, which returns `text`.
fn tool_component(text: &str) -> Vec<u8> {
    Guest::saying("tool", text).component()
}

/// Writes [`tool_component`] to `tool.wasm` in this directory, which is created if necessary.
fn write_tool(dir: &Path, text: &str) {
    std::fs::create_dir_all(dir).unwrap();
    write(dir, "tool", &tool_component(text));
}

/// Starts a host with this configuration file, with all references watched, and without components that fail to load.
async fn start_configured(dir: TempDir, text: &str) -> Host {
    let file = dir.path().join("toolcrib.toml");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        no_auth: true,
        keep_going: true,
        ..Overrides::default()
    };
    let mut config = Config::load(&overrides).unwrap();
    config.cache = None;
    config.server.max_concurrent_calls = 4;
    config.watch = WatchMode::Everything;
    Host::run(dir, config).await
}

/// Starts the binary with these references.
fn start_process(dir: &Toolcrib, references: &[&str]) -> Process {
    let mut command = dir.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
    command.args(references);
    Process::start(command)
}

fn client_of(process: &Process) -> Client {
    Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    )
}

/// Returns the threads that receive file system events. Each scan of the references replaces the thread.
fn watcher_threads(process: &Process) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let tasks = tasks.filter_map(|task| Some(task.ok()?.path()));
    let watchers = tasks.filter(|task| {
        let name = std::fs::read_to_string(task.join("comm"));
        name.is_ok_and(|name| name.starts_with("notify-rs"))
    });
    watchers.map(|task| task.display().to_string()).collect()
}
