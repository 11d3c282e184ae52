//! A file system that hangs blocks only calls that use it, and those at most until their time limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::addresses::as_root;
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::http::{Fetch, can_fetch, fetch};
use crate::support::guest::kv::keeping;
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

/// File operations of one component that can block at the same time.
const MAX_BLOCKED: usize = 32;
/// Longer than any call that is not blocked takes, even on a busy machine, and far below the time limit of blocked
/// calls.
const MAX_LATENCY: Duration = Duration::from_secs(20);

/// A FUSE file system on which operations hang. Dropping it unmounts it and ends the blocked operations.
struct HangingDisk {
    mount_point: TempDir,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl HangingDisk {
    fn new() -> Self {
        let mount_point = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/system/disk.py");
        let mut child = as_root("python3")
            .arg(script)
            .arg(mount_point.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut disk = Self {
            mount_point,
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        disk.expect_line("ready");
        disk
    }

    /// Waits until the next operation hangs, and asserts which one it is.
    fn expect_line(&mut self, expected: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(
            line.trim_end(),
            expected,
            "these tests need root and /dev/fuse"
        );
    }

    /// Lets all blocked operations continue.
    fn recover(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.stdout.read_to_end(&mut Vec::new());
        let _ = self.child.wait();
    }
}

/// A guest with a tool for each file of the disk. `read`, `look` and `close` hang when the file is read, looked up or
/// closed; `quick` does not hang. The tools return the content they read. `directories` lists the preopened directories
/// and does not use the disk.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.import(
        r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
           (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
             (func $open_at (param i32 i32 i32 i32 i32 i32 i32)))
           (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read" (func $read (param i32 i64 i64 i32)))"#,
    );
    for name in ["read", "look", "close", "quick"] {
        let path = guest.string(name);
        let read_file = match name {
            "close" => "",
            _ => {
                "(call $read (i32.load (i32.const 276)) (i64.const 100) (i64.const 0) (i32.const 288))
                 (call $say (i32.load (i32.const 292)) (i32.load (i32.const 296)))"
            }
        };
        let body = format!(
            "(call $directories (i32.const 256))
             (call $open_at (i32.load (i32.load (i32.const 256))) (i32.const 0) {path} (i32.const 0) (i32.const 1) (i32.const 272))
             (if (i32.load8_u (i32.const 272)) (then unreachable))
             {read_file} (call $said)"
        );
        guest.tool(Tool::new(name), body);
    }
    guest.tool(
        Tool::new("directories"),
        "(call $directories (i32.const 256)) (call $said)",
    );
    guest
}

/// Starts the binary with a component on the disk and components that use another directory, key-value data and HTTP.
fn start_process(
    toolcrib: &Toolcrib,
    disk: &Path,
    time_limit: &str,
    upstream: &Upstream,
) -> (Process, Client) {
    let mut fetcher = Guest::new();
    can_fetch(&mut fetcher);
    let url = format!("http://localhost:{}/x", upstream.address.port());
    let body = fetch(&mut fetcher, &Fetch::get(&url));
    fetcher.tool(Tool::new("fetch"), format!("{body} (call $said)"));
    for name in ["guest", "other"] {
        toolcrib.write(name, &guest().component());
    }
    toolcrib.write("keyvalue", &keeping("cache").component());
    toolcrib.write("fetcher", &fetcher.component());
    let other_dir = tempfile::tempdir_in(toolcrib.path()).unwrap().keep();
    std::fs::write(other_dir.join("quick"), "other").unwrap();
    toolcrib.file(
        "c.toml",
        format!(
            "kv.url = \"kv.redb\"\nserver.drain = \"100ms\"\nlimits.time = {time_limit:?}\nlimits.concurrency = 256\n\
             [[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{{ host = {disk:?}, guest = \"/data\" }}]\n\
             [[component]]\nref = \"other.wasm\"\nprefix = \"other_\"\n\
             [component.allow]\ndirs = [{{ host = {other_dir:?}, guest = \"/data\" }}]\n\
             [[component]]\nref = \"keyvalue.wasm\"\n[component.allow]\nkv = [\"cache\"]\n\
             [[component]]\nref = \"fetcher.wasm\"\n[component.allow]\nhttp = [\"http://localhost:{}\"]\nprivate-network = true\n",
            upstream.address.port(),
        ),
    );
    let process = Process::start(toolcrib.command(&[
        "serve",
        "--no-auth",
        "--config",
        "c.toml",
        "--listen",
        "127.0.0.1:0",
    ]));
    let url = format!("http://{}/mcp", process.address);
    let client = Client::new(&url, Revision::July2026);
    (process, client)
}

/// Calls a tool, which must return within [`MAX_LATENCY`], and returns its text.
async fn call(client: &Client, tool: &str) -> String {
    let started = Instant::now();
    let answer = tokio::time::timeout(MAX_LATENCY, client.call(tool, json!({}))).await;
    let answer = answer.unwrap_or_else(|_| panic!("{tool}: {:?}", started.elapsed()));
    answer.text().to_owned()
}

/// Asserts that calls that do not use the disk are not blocked.
async fn call_unaffected_tools(client: &Client) {
    assert_eq!(call(client, "hello").await, "hello");
    assert_eq!(call(client, "other_quick").await, "other");
    assert_eq!(call(client, "fetch").await, "200 asked /x");
    assert_eq!(call(client, "set").await, "ok");
}

fn thread_count(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", process.id()))
        .unwrap()
        .count()
}

/// The calls do not block other components or accumulate threads, and work again when the disk recovers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_blocked_on_a_disk_end_at_their_time_limit() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), HangingDisk::new());
    let (process, client) = start_process(&toolcrib, disk.mount_point.path(), "1s", &upstream);
    assert_eq!(call(&client, "quick").await, "quick");
    call_unaffected_tools(&client).await;
    let threads_before = thread_count(&process);
    for round in 0..3 {
        let calls = (0..60).map(async |index| {
            let started = Instant::now();
            let answer = client
                .call(if index % 2 == 0 { "read" } else { "look" }, json!({}))
                .await;
            assert_eq!(
                answer.failure(),
                "the call was stopped after its time limit of 1s"
            );
            assert!(started.elapsed() < MAX_LATENCY, "{:?}", started.elapsed());
        });
        futures::future::join_all(calls).await;
        call_unaffected_tools(&client).await;
        // 16 more for the threads that the other calls needed.
        let threads = thread_count(&process);
        assert!(
            threads <= threads_before + MAX_BLOCKED + 16,
            "round {round}: {threads_before}, {threads}"
        );
    }
    // With all threads blocked, a call waits before its first file system operation and leaves none behind.
    let answer = client.call("directories", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the call was stopped after its time limit of 1s"
    );
    disk.recover();
    assert_eq!(call(&client, "directories").await, "");
    assert_eq!(call(&client, "quick").await, "quick");
    assert_eq!(call(&client, "read").await, "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_ends_a_blocked_call() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), HangingDisk::new());
    let (_process, client) = start_process(&toolcrib, disk.mount_point.path(), "600s", &upstream);
    for tool in ["read", "look"] {
        let message = client.message("tools/call", json!({ "name": tool, "arguments": {} }));
        let pending = tokio::spawn(client.post(&message).send());
        disk.expect_line(tool);
        pending.abort();
        call_unaffected_tools(&client).await;
    }
    // Closing a file can hang too, but no call waits for it.
    for _ in 0..8 {
        assert_eq!(call(&client, "close").await, "");
        disk.expect_line("close");
    }
    call_unaffected_tools(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_does_not_wait_for_blocked_operations() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), HangingDisk::new());
    let (mut process, client) =
        start_process(&toolcrib, disk.mount_point.path(), "600s", &upstream);
    let message = client.message("tools/call", json!({ "name": "read", "arguments": {} }));
    let pending = tokio::spawn(client.post(&message).send());
    disk.expect_line("read");
    let started = Instant::now();
    let signalled = Command::new("kill").arg(process.id().to_string()).status();
    assert!(signalled.unwrap().success());
    let text = pending.await.unwrap().unwrap().text().await.unwrap();
    assert!(text.contains("the call was cancelled"), "{text}");
    assert!(process.ended().success());
    assert!(started.elapsed() < MAX_LATENCY, "{:?}", started.elapsed());
}
