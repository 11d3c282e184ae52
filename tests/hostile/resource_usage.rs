//! CPU time and memory that one call costs the host, as measured by the kernel.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{repeat, repeat_forever};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::http::can_fetch;
use crate::support::guest::{Guest, Tool};
use crate::support::process::{Process, TOOLCRIB, peak_mb, processor_time, resident_mb};

/// The CPU limit counts the time that the guest computes, not the time that it waits for the core.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_on_a_busy_core_gets_its_full_cpu_time() {
    const CPU_LIMIT: Duration = Duration::from_millis(300);
    let dir = Toolcrib::new();
    dir.write(
        "spins",
        &Guest::with(Tool::new("spins"), "(call $spin)").component(),
    );
    dir.file(
        "toolcrib.toml",
        "components = [\"spins.wasm\"]\n[limits]\ncpu = \"300ms\"\ntime = \"10m\"\n",
    );
    // The host shares one core with three busy processes.
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", "0", TOOLCRIB, "serve", "--no-auth"])
        .args(["--config", "toolcrib.toml", "--listen", "127.0.0.1:0"])
        .current_dir(dir.path())
        .env("HOME", dir.path());
    let process = Process::start(command);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    let _busy: Vec<_> = (0..3).map(|_| BusyProcess::start()).collect();
    let before = processor_time(process.id());
    let answer = client.call("spins", json!({})).await;
    let used = processor_time(process.id()) - before;
    assert_eq!(
        answer.failure(),
        "the call was stopped after its limit of 300ms of processor time"
    );
    // The kernel reports CPU time in steps of 10 ms.
    let min = CPU_LIMIT - Duration::from_millis(20);
    assert!(used >= min && used < 2 * CPU_LIMIT, "{used:?}");
}

/// A process that keeps the first core busy until it is dropped.
struct BusyProcess(Child);

impl BusyProcess {
    fn start() -> Self {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]);
        Self(command.spawn().unwrap())
    }
}

impl Drop for BusyProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The host memory behind a guest's handles is limited, and is returned after the call even if no other call follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_memory_per_guest_is_limited_and_returned() {
    /// Host memory for the handles of one call.
    const MAX_HANDLES_MB: f64 = 130.0;
    /// Growth of the idle host between before and after the calls.
    const MAX_GROWTH_MB: f64 = 16.0;
    /// The allocator returns free memory to the kernel gradually.
    const MAX_SETTLE_TIME: Duration = Duration::from_secs(30);
    let dir = Toolcrib::new();
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    guest.pages(64);
    let name = guest.string("x");
    let (value, mebibyte) = (
        guest.string("v".repeat(47_000)),
        guest.string("m".repeat(1 << 20)),
    );
    let path = guest.string(format!("/{}", "p".repeat(16_000)));
    let authority = guest.string("a".repeat(500));
    let new_request = "(local.set $request (call $request (call $fields)))";
    let leaks = [
        (
            "headers",
            format!(
                "(local.set $request (call $fields))
                 (call $append (local.get $request) {name} {value} (i32.const 256))"
            ),
        ),
        (
            "methods",
            format!("{new_request} (drop (call $set_method (local.get $request) (i32.const 9) {mebibyte}))"),
        ),
        (
            "all-parts",
            format!(
                "(local.set $request (call $fields))
                 (call $append (local.get $request) {name} {value} (i32.const 256))
                 (local.set $request (call $request (local.get $request)))
                 (drop (call $set_path (local.get $request) (i32.const 1) {path}))
                 (drop (call $set_authority (local.get $request) (i32.const 1) {authority}))"
            ),
        ),
        (
            "bodies",
            format!(
                "{new_request}
                 (call $outgoing_body (local.get $request) (i32.const 256))
                 (local.set $request (i32.load (i32.const 260)))
                 (call $body_write (local.get $request) (i32.const 264))
                 (local.set $stream (i32.load (i32.const 268)))
                 (call $check_write (local.get $stream) (i32.const 272))
                 (call $write (local.get $stream) (i32.const 4096) (i32.wrap_i64 (i64.load (i32.const 280))) (i32.const 296))
                 (call $check_write (local.get $stream) (i32.const 272))
                 (call $write (local.get $stream) (i32.const 4096) (i32.wrap_i64 (i64.load (i32.const 280))) (i32.const 296))
                 (call $drop_output (local.get $stream))
                 (call $body_finish (local.get $request) (i32.const 0) (i32.const 0) (i32.const 304))"
            ),
        ),
    ];
    for (tool, body) in leaks {
        guest.tool(
            Tool::new(tool),
            format!(
                "(local $request i32) (local $stream i32) {}",
                repeat_forever(&body)
            ),
        );
    }
    guest.import(
        r#"(import "wasi:io/streams@0.2.0" "[method]output-stream.check-write" (func $check_write (param i32 i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))"#,
    );
    guest.tool(
        Tool::new("few"),
        format!(
            "(local $request i32) {} (call $said)",
            repeat(100, new_request)
        ),
    );
    dir.write("guest", &guest.component());
    dir.file(
        "toolcrib.toml",
        "components = [\"guest.wasm\"]\n[limits]\nmemory = \"8MiB\"\ntime = \"10m\"\n",
    );
    let mut command = dir.command(&["serve", "--no-auth", "--config", "toolcrib.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    assert_eq!(client.call("few", json!({})).await.text(), "");
    let before = resident_mb(process.id());
    for tool in ["headers", "methods", "all-parts", "bodies"] {
        let answer = client.call(tool, json!({})).await;
        assert_eq!(
            answer.failure(),
            "the tool has more handles than its limit of 1024",
            "{tool}"
        );
        let peak = peak_mb(process.id());
        // 8 MB are the guest's own memory.
        assert!(
            peak < before + MAX_HANDLES_MB + 8.0 + MAX_GROWTH_MB,
            "{tool}: {before}, {peak}"
        );
    }
    let started = Instant::now();
    while resident_mb(process.id()) > before + MAX_GROWTH_MB {
        assert!(
            started.elapsed() < MAX_SETTLE_TIME,
            "{before}, {}",
            resident_mb(process.id())
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
