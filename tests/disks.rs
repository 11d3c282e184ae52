//! A disk that hangs holds up its own component's calls at most until their time is over, and nobody else.

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

/// Operations of one component that wait at a time.
const MAX_WAITING: usize = 32;
/// Far below the time that the calls have, however busy the machine is.
const SOON: Duration = Duration::from_secs(20);

/// A file system that hangs; gone when it is dropped, which lets go whoever waits for it.
struct Disk {
    place: TempDir,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Disk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/system/disk.py");
        let mut child = as_root("python3")
            .arg(script)
            .arg(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut disk = Self {
            place,
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        disk.hears("ready");
        disk
    }

    /// Waits until something else hangs: what is done to it.
    fn hears(&mut self, what: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), what, "these tests need root and /dev/fuse");
    }

    /// Hangs no longer.
    fn recovers(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.stdout.read_to_end(&mut Vec::new());
        let _ = self.child.wait();
    }
}

/// `read`, `look`, `close` and `quick` do that to the file system; what is read is said. `waits` does nothing to it.
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
        let reads = match name {
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
             {reads} (call $said)"
        );
        guest.tool(Tool::new(name), body);
    }
    guest.tool(
        Tool::new("waits"),
        "(call $directories (i32.const 256)) (call $said)",
    );
    guest
}

/// A host of its own process, with the guest and its neighbours; every call has so much time.
fn serve(toolcrib: &Toolcrib, disk: &Path, time: &str, upstream: &Upstream) -> (Process, Client) {
    let mut asks = Guest::new();
    can_fetch(&mut asks);
    let url = format!("http://localhost:{}/x", upstream.address.port());
    let body = fetch(&mut asks, &Fetch::get(&url));
    asks.tool(Tool::new("asks"), format!("{body} (call $said)"));
    for name in ["guest", "beside"] {
        toolcrib.write(name, &guest().component());
    }
    toolcrib.write("keeps", &keeping("cache").component());
    toolcrib.write("asks", &asks.component());
    let own = tempfile::tempdir_in(toolcrib.path()).unwrap().keep();
    std::fs::write(own.join("quick"), "own").unwrap();
    toolcrib.file(
        "c.toml",
        format!(
            "kv.url = \"kv.redb\"\nserver.drain = \"100ms\"\nlimits.time = {time:?}\nlimits.concurrency = 256\n\
             [[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{{ host = {disk:?}, guest = \"/data\" }}]\n\
             [[component]]\nref = \"beside.wasm\"\nprefix = \"own_\"\n\
             [component.allow]\ndirs = [{{ host = {own:?}, guest = \"/data\" }}]\n\
             [[component]]\nref = \"keeps.wasm\"\n[component.allow]\nkv = [\"cache\"]\n\
             [[component]]\nref = \"asks.wasm\"\n[component.allow]\nhttp = [\"http://localhost:{}\"]\nprivate-network = true\n",
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

async fn says(client: &Client, tool: &str) -> String {
    let begun = Instant::now();
    let answer = tokio::time::timeout(SOON, client.call(tool, json!({}))).await;
    let answer = answer.unwrap_or_else(|_| panic!("{tool}: {:?}", begun.elapsed()));
    answer.text().to_owned()
}

/// Everybody whom the disk is none of.
async fn others(client: &Client) {
    assert_eq!(says(client, "hello").await, "hello");
    assert_eq!(says(client, "own_quick").await, "own");
    assert_eq!(says(client, "asks").await, "200 asked /x");
    assert_eq!(says(client, "set").await, "ok");
}

/// All threads of the host.
fn threads(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", process.id()))
        .unwrap()
        .count()
}

/// However many calls wait for it, they end at their time, and take nothing from anybody. When it is back, so are they.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_is_over() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), Disk::new());
    let (process, client) = serve(&toolcrib, disk.place.path(), "1s", &upstream);
    assert_eq!(says(&client, "quick").await, "quick");
    others(&client).await;
    let before = threads(&process);
    for round in 0..3 {
        let calls = (0..60).map(async |call| {
            let begun = Instant::now();
            let answer = client
                .call(if call % 2 == 0 { "read" } else { "look" }, json!({}))
                .await;
            assert_eq!(
                answer.failure(),
                "the call was stopped after its time limit of 1s"
            );
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        });
        futures::future::join_all(calls).await;
        others(&client).await;
        // Beside those: what the others have needed meanwhile.
        let now = threads(&process);
        assert!(
            now <= before + MAX_WAITING + 16,
            "round {round}: {before}, {now}"
        );
    }
    // Who comes when all threads are taken waits before it asks for anything, and so leaves nothing to be done.
    let answer = client.call("waits", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the call was stopped after its time limit of 1s"
    );
    disk.recovers();
    assert_eq!(says(&client, "waits").await, "");
    assert_eq!(says(&client, "quick").await, "quick");
    assert_eq!(says(&client, "read").await, "late");
}

/// A client that leaves takes its call with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_goes() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), Disk::new());
    let (_process, client) = serve(&toolcrib, disk.place.path(), "600s", &upstream);
    for tool in ["read", "look"] {
        let message = client.message("tools/call", json!({ "name": tool, "arguments": {} }));
        let asking = tokio::spawn(client.post(&message).send());
        disk.hears(tool);
        asking.abort();
        others(&client).await;
    }
    // To close a file may hang too, and no call waits for that.
    for _ in 0..8 {
        assert_eq!(says(&client, "close").await, "");
        disk.hears("close");
    }
    others(&client).await;
}

/// A shutdown waits for none of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown() {
    let upstream = Upstream::start().await;
    let (toolcrib, mut disk) = (Toolcrib::new(), Disk::new());
    let (mut process, client) = serve(&toolcrib, disk.place.path(), "600s", &upstream);
    let message = client.message("tools/call", json!({ "name": "read", "arguments": {} }));
    let asking = tokio::spawn(client.post(&message).send());
    disk.hears("read");
    let begun = Instant::now();
    let told = Command::new("kill").arg(process.id().to_string()).status();
    assert!(told.unwrap().success());
    let text = asking.await.unwrap().unwrap().text().await.unwrap();
    assert!(text.contains("the call was cancelled"), "{text}");
    assert!(process.ended().success());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}
