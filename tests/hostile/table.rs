//! Runs every hostile guest against the binary in its own process, compares the outcomes with `docs/hostile-guests.md`,
//! and checks that the server releases everything afterwards.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;

use super::related_tests::RELATED_TESTS;
use super::{HostileComponent, calls, loads, upstreams};
use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::process::{Process, resident_mb};
use crate::support::upstream::Upstream;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hostile-guests.md");

const CALL_SLOTS: usize = 16;
const CONCURRENT_HOSTILE_CALLS: usize = 6;
/// The median latency of a light call during hostile calls may be up to this multiple of its latency without them, or
/// up to [`MAX_LATENCY`], whichever is larger. The second bound is for machines that are busy with other tests.
const MAX_SLOWDOWN: u32 = 20;
const MAX_LATENCY: Duration = Duration::from_millis(100);
/// Growth of the process between before the first and after the last call: memory of used call slots stays mapped, and
/// idle threads end after a while.
const MAX_GROWTH_MB: f64 = 32.0;
const MAX_MORE_THREADS: usize = 8;
const MAX_SETTLE_TIME: Duration = Duration::from_secs(30);
/// Longest log line, including the fields before the guest's text.
const MAX_LOG_LINE_BYTES: usize = 10_000;

/// A server with all hostile components and a light one.
struct Server {
    process: Process,
    client: Client,
    longest_log_line: Arc<AtomicUsize>,
    _dir: Toolcrib,
}

/// Resources of the server process.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Open files and sockets.
    file_descriptors: usize,
    threads: usize,
    memory_mb: f64,
}

impl Server {
    fn start(components: &[HostileComponent]) -> Self {
        let dir = Toolcrib::new();
        let mut config = format!(
            "[server]\nmax-concurrent-calls = {CALL_SLOTS}\n[cache]\ndir = false\n[limits]\ncompile = \"10m\"\n[wasi]\npreview3 = true\n"
        );
        let mut light = Guest::saying("hello", "hello");
        light.import(super::TIMER).import(super::BLOCK).tool(
            Tool::new("nap"),
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $block (call $timer (i64.const 3600000000000))) (unreachable)",
        );
        dir.write("hello", &light.component());
        config.push_str("[[component]]\nref = \"hello.wasm\"\n");
        for component in components {
            dir.write(component.name, &component.bytes);
            let _ = writeln!(
                config,
                "[[component]]\nref = \"{}.wasm\"\n{}",
                component.name, component.settings
            );
        }
        dir.file("toolcrib.toml", config);
        let command = dir.command(&[
            "serve",
            "--no-auth",
            "--config",
            "toolcrib.toml",
            "--listen",
            "127.0.0.1:0",
        ]);
        let longest_log_line = Arc::new(AtomicUsize::new(0));
        let longest = longest_log_line.clone();
        let process = Process::start_with_log(command, move |line| {
            longest.fetch_max(line.len(), SeqCst);
        });
        let url = format!("http://{}/mcp", process.address);
        let mut client = Client::new(&url, Revision::July2026);
        // Without a connection pool, so that no idle connection is counted as a leak.
        client.http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            process,
            client,
            longest_log_line,
            _dir: dir,
        }
    }

    /// Returns the latency of a light call.
    async fn call_hello(&self) -> Duration {
        let started = Instant::now();
        let answer = self.client.call("hello", json!({})).await;
        assert_eq!(answer.text(), "hello");
        started.elapsed()
    }

    /// Calls all hostile tools, several at once, together with light calls. Returns the outcomes in order, and the
    /// median latency of the light calls.
    async fn call_all(&self, components: &[HostileComponent]) -> (Vec<String>, Duration) {
        let tools = components.iter().flat_map(|component| &component.tools);
        let calls = tools.map(async |(tool, _)| {
            let arguments = match tool.ends_with("-greet") {
                true => json!({ "name": "x" }),
                false => json!({}),
            };
            let meta = json!({ "progressToken": 1 });
            let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
            outcome(&self.client.request("tools/call", params).await)
        });
        let is_done = AtomicBool::new(false);
        let hostile_calls = async {
            let outcomes = futures::stream::iter(calls).buffered(CONCURRENT_HOSTILE_CALLS);
            let outcomes: Vec<_> = outcomes.collect().await;
            is_done.store(true, SeqCst);
            outcomes
        };
        let light_calls = async {
            let mut latencies = Vec::new();
            while !is_done.load(SeqCst) {
                latencies.push(self.call_hello().await);
            }
            median(latencies)
        };
        futures::join!(hostile_calls, light_calls)
    }

    fn usage(&self) -> Usage {
        let process = format!("/proc/{}", self.process.id());
        let count = |dir| {
            std::fs::read_dir(format!("{process}/{dir}"))
                .unwrap()
                .count()
        };
        Usage {
            file_descriptors: count("fd"),
            threads: count("task"),
            memory_mb: resident_mb(self.process.id()),
        }
    }

    /// Waits until the server uses no more than when it was idle. Connections close, threads end and memory is returned
    /// shortly after the last call.
    async fn wait_until_released(&self, idle: Usage) {
        let started = Instant::now();
        loop {
            let now = self.usage();
            let is_released = now.file_descriptors <= idle.file_descriptors
                && now.threads <= idle.threads + MAX_MORE_THREADS
                && now.memory_mb <= idle.memory_mb + MAX_GROWTH_MB;
            if is_released {
                return;
            }
            assert!(
                started.elapsed() < MAX_SETTLE_TIME,
                "idle: {idle:?}, after the calls: {now:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asserts that all call slots are free by taking all of them at once.
    async fn take_all_call_slots(&self) {
        let calls = (0..CALL_SLOTS).map(async |_| {
            let params = json!({ "name": "nap", "arguments": {}, "_meta": { "progressToken": 1 } });
            let message = self.client.message("tools/call", params);
            let mut response = self.client.post(&message).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let first = response.chunk().await.unwrap().unwrap();
            assert!(String::from_utf8_lossy(&first).contains("progress"));
            response
        });
        let running = futures::future::join_all(calls).await;
        assert_eq!(self.client.call("hello", json!({})).await.status, 503);
        drop(running);
    }
}

/// Returns the outcome of a call as it is shown to the client, without the call's id.
fn outcome(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let result = answer.result();
    let text = result["content"][0]["text"].as_str().unwrap();
    let text = match text.split_once("; the host's log has the cause under call ") {
        Some((sentence, _id)) => format!("{sentence}; the log has the cause"),
        None => text.to_owned(),
    };
    let text = match text.len() {
        0..=200 => text,
        length => format!("{}… ({length} bytes)", &text[..20]),
    };
    match result["isError"] == true {
        true => text,
        false => format!("answers `{text}`"),
    }
}

fn median(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort();
    latencies[latencies.len() / 2]
}

/// Generates the page from the outcomes of calls and of loading.
fn page(
    components: &[HostileComponent],
    call_outcomes: &[String],
    load_outcomes: &[(String, &str, String)],
) -> String {
    let mut page = String::from(
        "# Hostile guests\n\n\
         Generated by a test (`tests/hostile/table.rs`) from the observed outcomes. To change the guests, edit the tests and run \
         it. All guests run twice against one server, several at a time, together with calls of a light tool. Afterwards the server must \
         have released every call slot, file, connection and all memory. The limits are lower than the defaults, so that the test \
         takes less time.\n",
    );
    let mut call_outcomes = call_outcomes.iter();
    let mut title = "";
    for component in components {
        if component.title != title {
            title = component.title;
            let _ = write!(
                page,
                "\n## {title}\n\n| guest | behaviour | outcome |\n|---|---|---|\n"
            );
        }
        for ((name, behaviour), outcome) in component.tools.iter().zip(call_outcomes.by_ref()) {
            let _ = writeln!(page, "| `{name}` | {behaviour} | {outcome} |");
        }
    }
    page.push_str(
        "\n## Hostile components at load time\n\n| component | behaviour | outcome |\n|---|---|---|\n",
    );
    for (name, behaviour, outcome) in load_outcomes {
        let outcome = outcome.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {behaviour} | {outcome} |");
    }
    page.push_str("\n## Related tests\n\n| threat | test |\n|---|---|\n");
    for (threat, file, test) in RELATED_TESTS {
        let _ = writeln!(page, "| {threat} | `tests/{file}`: `{test}` |");
    }
    page
}

#[test]
fn related_tests_exist() {
    for (_, file, test) in RELATED_TESTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{file}: {test}");
    }
}

/// If the committed page is out of date, the test fails and writes the new one, to be reviewed and committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_guest_is_contained() {
    let upstream = Upstream::start().await;
    let mut components = calls::components();
    components.extend(upstreams::components(&upstream));
    let server = Server::start(&components);
    // Starts the threads of the guest runtime, which would otherwise count as growth.
    server.client.call("spins", json!({})).await;
    let mut latencies = Vec::new();
    for _ in 0..50 {
        latencies.push(server.call_hello().await);
    }
    let baseline = median(latencies);

    let idle = server.usage();
    let (outcomes, latency) = server.call_all(&components).await;
    assert!(
        latency < MAX_LATENCY.max(baseline * MAX_SLOWDOWN),
        "a light call takes {latency:?} during hostile calls, {baseline:?} without them"
    );
    let (outcomes_again, _) = server.call_all(&components).await;
    assert_eq!(outcomes_again, outcomes, "the outcomes of both runs differ");
    server.wait_until_released(idle).await;
    server.take_all_call_slots().await;
    let longest = server.longest_log_line.load(SeqCst);
    assert!(
        longest < MAX_LOG_LINE_BYTES,
        "the log has a line of {longest} bytes"
    );
    let is_smuggled = upstream
        .request_heads()
        .iter()
        .any(|head| head.contains("evil"));
    assert!(!is_smuggled, "{:?}", upstream.request_heads());

    let page = page(&components, &outcomes, &loads::outcomes().await);
    let committed = std::fs::read_to_string(PAGE).unwrap_or_default();
    if page != committed {
        std::fs::write(PAGE, &page).unwrap();
        panic!(
            "docs/hostile-guests.md did not match the outcomes; review and commit the regenerated file"
        );
    }
}
