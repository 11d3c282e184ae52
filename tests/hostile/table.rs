//! Every guest runs against the binary in a process of its own, where what it costs can be seen from outside; then all of them
//! once more, to see that they leave nothing behind.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;

use super::{Pack, calls, loads, servers};
use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::process::{Process, resident_mb};
use crate::support::upstream::Upstream;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hostile-guests.md");

/// Calls that the host takes at once.
const PLACES: usize = 16;
/// Hostile ones among them.
const AT_ONCE: usize = 6;
/// A light call beside hostile ones takes at most so many times as long as alone, at the median; a machine that is
/// busy with other tests gets the floor.
const MAX_SLOWER: u32 = 20;
const SLOWER_FLOOR: Duration = Duration::from_millis(100);
/// What the process may hold more after two rounds than before: places are warm, and threads that wait end after a
/// while.
const MAX_GROWTH_MB: f64 = 32.0;
const MAX_MORE_THREADS: usize = 8;
/// The longest that this takes to be so.
const SETTLE: Duration = Duration::from_secs(30);
/// The longest line of the log, with what stands before a guest's text.
const MAX_LINE_BYTES: usize = 10_000;

/// What other tests hold against hostile guests: theme, file, test.
const ELSEWHERE: [(&str, &str, &str); 41] = [
    (
        "every limit of time, in every place",
        "sandbox/limits.rs",
        "time",
    ),
    ("processor time", "sandbox/limits.rs", "processor_time"),
    (
        "processor time, on a core that others use",
        "hostile/usage.rs",
        "on_a_busy_core",
    ),
    (
        "whatever the host keeps for a guest: its peak, and that it is returned",
        "hostile/usage.rs",
        "kept_for_a_guest",
    ),
    ("memory, to the page", "sandbox/limits.rs", "memory"),
    ("tables, to the element", "sandbox/limits.rs", "tables"),
    (
        "results of every shape that are too large, one of 30 GiB",
        "sandbox/floods.rs",
        "results",
    ),
    ("errors that are too long", "sandbox/floods.rs", "errors"),
    ("progress that is too much", "sandbox/floods.rs", "progress"),
    (
        "lines that pass for the host's, and steer terminals",
        "sandbox/floods.rs",
        "logs",
    ),
    (
        "a client that does not read",
        "sandbox/floods.rs",
        "a_client_that_does_not_read",
    ),
    ("results that are none", "sandbox/rubbish.rs", "crashes"),
    (
        "definitions that are rubbish",
        "sandbox/definitions.rs",
        "definitions_that_do_not_come",
    ),
    (
        "links out of a directory, `/proc`, devices, FIFOs, sockets",
        "sandbox/dirs.rs",
        "reading",
    ),
    (
        "links that a guest makes, to write elsewhere",
        "sandbox/dirs.rs",
        "writing",
    ),
    (
        "links from one directory into another",
        "sandbox/dirs.rs",
        "links_between_directories",
    ),
    (
        "writing what the host itself runs",
        "sandbox/own.rs",
        "the_hosts_own",
    ),
    (
        "schemas of arguments that double the work with every step",
        "hostile/schemas.rs",
        "of_arguments",
    ),
    (
        "schemas of results that do",
        "hostile/schemas.rs",
        "of_results",
    ),
    ("open files", "hostile/limits.rs", "open_files"),
    (
        "lists of large directories",
        "sandbox/dirs_bounds.rs",
        "lists",
    ),
    ("streams of files", "sandbox/dirs_bounds.rs", "streams"),
    (
        "files over the limit of the process",
        "sandbox/dirs_bounds.rs",
        "the_largest_file",
    ),
    ("disks that hang", "disks.rs", "time_is_over"),
    ("sockets", "hostile/limits.rs", "sockets"),
    (
        "addresses in every notation, paths that lead elsewhere",
        "sandbox/egress.rs",
        "as_granted",
    ),
    ("redirects", "sandbox/egress.rs", "redirects"),
    ("headers that frame or name", "sandbox/egress.rs", "headers"),
    (
        "bodies, heads and URLs that are too large",
        "sandbox/egress_bounds.rs",
        "sizes",
    ),
    (
        "requests that are too many",
        "sandbox/egress_bounds.rs",
        "requests_per_call",
    ),
    (
        "servers that are silent",
        "sandbox/egress_bounds.rs",
        "times",
    ),
    (
        "connections elsewhere, listening, names",
        "sandbox/sockets.rs",
        "as_granted",
    ),
    (
        "what callers and components keep from each other",
        "sandbox/keyvalue.rs",
        "callers",
    ),
    (
        "keys and buckets of others",
        "sandbox/keyvalue.rs",
        "components",
    ),
    ("functions that are hostile", "functions/limits.rs", "time"),
    (
        "arguments that are little as JSON and much in the host",
        "functions/bounds.rs",
        "long_names_of_fields",
    ),
    (
        "choices among thousands, a hundred thousand times",
        "functions/bounds.rs",
        "many_names",
    ),
    (
        "flags that a function returns by the million",
        "functions/bounds.rs",
        "many_flags",
    ),
    (
        "documentation that stands in a thousand places",
        "functions/bounds.rs",
        "documentation_of_a_type_that_is_everywhere",
    ),
    (
        "one caller that calls too much",
        "hostile/limits.rs",
        "calls_of_one_caller",
    ),
    (
        "guests that are stopped while they wait",
        "hostile/cancellation.rs",
        "every_way",
    ),
];

/// The server with every pack, and what it wrote to its log.
struct Crib {
    process: Process,
    client: Client,
    longest_line: Arc<AtomicUsize>,
    _dir: Toolcrib,
}

impl Crib {
    fn start(packs: &[Pack]) -> Self {
        let dir = Toolcrib::new();
        let mut text = format!(
            "[server]\nmax-concurrent-calls = {PLACES}\n[cache]\ndir = false\n[limits]\ncompile = \"10m\"\n"
        );
        let mut naps = Guest::saying("hello", "hello");
        naps.import(super::TIMER).import(super::BLOCK).tool(
            Tool::new("naps"),
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $block (call $timer (i64.const 3600000000000))) (unreachable)",
        );
        dir.write("hello", &naps.component());
        text.push_str("[[component]]\nref = \"hello.wasm\"\n");
        for pack in packs {
            dir.write(pack.name, &pack.bytes);
            let _ = writeln!(
                text,
                "[[component]]\nref = \"{}.wasm\"\n{}",
                pack.name, pack.settings
            );
        }
        dir.file("toolcrib.toml", text);
        let command = dir.command(&[
            "serve",
            "--no-auth",
            "--config",
            "toolcrib.toml",
            "--listen",
            "127.0.0.1:0",
        ]);
        let longest_line = Arc::new(AtomicUsize::new(0));
        let longest = longest_line.clone();
        let process = Process::start_heard(command, move |line| {
            longest.fetch_max(line.len(), SeqCst);
        });
        let url = format!("http://{}/mcp", process.address);
        let mut client = Client::new(&url, Revision::July2026);
        // So that no connection is left where none is used.
        client.http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            process,
            client,
            longest_line,
            _dir: dir,
        }
    }

    async fn hello(&self) -> Duration {
        let begun = Instant::now();
        let answer = self.client.call("hello", json!({})).await;
        assert_eq!(answer.text(), "hello");
        begun.elapsed()
    }

    /// All guests, several at once, with a light call beside them: how each ended, and the median of the light call.
    async fn round(&self, packs: &[Pack]) -> (Vec<String>, Duration) {
        let calls = packs.iter().flat_map(|pack| &pack.rows);
        let calls = calls.map(async |(tool, _)| {
            let arguments = match tool.ends_with("-greet") {
                true => json!({ "name": "x" }),
                false => json!({}),
            };
            let meta = json!({ "progressToken": 1 });
            let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
            ended(&self.client.request("tools/call", params).await)
        });
        let over = AtomicBool::new(false);
        let hostile = async {
            let ends = futures::stream::iter(calls).buffered(AT_ONCE);
            let ends: Vec<_> = ends.collect().await;
            over.store(true, SeqCst);
            ends
        };
        let beside = async {
            let mut took = Vec::new();
            while !over.load(SeqCst) {
                took.push(self.hello().await);
            }
            median(took)
        };
        futures::join!(hostile, beside)
    }

    /// Files and sockets, threads, and memory in MB.
    fn held(&self) -> (usize, usize, f64) {
        let process = format!("/proc/{}", self.process.id());
        let count = |dir| {
            std::fs::read_dir(format!("{process}/{dir}"))
                .unwrap()
                .count()
        };
        (count("fd"), count("task"), resident_mb(self.process.id()))
    }

    /// Waits until it holds no more than when it was idle: connections close, threads end and memory is returned a
    /// moment after the last call.
    async fn settles(&self, idle: (usize, usize, f64)) {
        let begun = Instant::now();
        loop {
            let held = self.held();
            let settled = held.0 <= idle.0
                && held.1 <= idle.1 + MAX_MORE_THREADS
                && held.2 <= idle.2 + MAX_GROWTH_MB;
            if settled {
                return;
            }
            assert!(
                begun.elapsed() < SETTLE,
                "files, threads, MB: {idle:?}, {held:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes every place at once.
    async fn takes_all_places(&self) {
        let calls = (0..PLACES).map(async |_| {
            let params =
                json!({ "name": "naps", "arguments": {}, "_meta": { "progressToken": 1 } });
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

/// How a call ended, as its client hears it.
fn ended(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let result = answer.result();
    let text = result["content"][0]["text"].as_str().unwrap();
    let text = match text.split_once("; the host's log has the cause under call ") {
        Some((sentence, _id)) => format!("{sentence}; the log has the cause"),
        None => text.to_owned(),
    };
    let shown = match text.len() {
        0..=200 => text,
        length => format!("{}… ({length} bytes)", &text[..20]),
    };
    match result["isError"] == true {
        true => shown,
        false => format!("answers `{shown}`"),
    }
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

fn page(packs: &[Pack], ends: &[String], loads: &[(String, &str, String)]) -> String {
    let mut page = String::from(
        "# Hostile guests\n\n\
         Generated by a test (`tests/hostile/table.rs`) from how each of them ended; change the guests there, not here. All run \
         several at once against one server, with a light tool beside them, and then all once more: no place, no file, no \
         connection and no memory may be missing afterwards. The limits are lower than the defaults, so that their ends come soon.\n",
    );
    let mut ends = ends.iter();
    let mut title = "";
    for pack in packs {
        if pack.title != title {
            title = pack.title;
            let _ = write!(
                page,
                "\n## {title}\n\n| guest | what it does | how it ends |\n|---|---|---|\n"
            );
        }
        for ((name, does), end) in pack.rows.iter().zip(ends.by_ref()) {
            let _ = writeln!(page, "| `{name}` | {does} | {end} |");
        }
    }
    page.push_str(
        "\n## Components that are refused when they are loaded\n\n| component | what it does | what is said |\n|---|---|---|\n",
    );
    for (name, does, said) in loads {
        let _ = writeln!(page, "| `{name}` | {does} | {} |", said.replace('|', "\\|"));
    }
    page.push_str("\n## Elsewhere in the tests\n\n| what | test |\n|---|---|\n");
    for (what, file, test) in ELSEWHERE {
        let _ = writeln!(page, "| {what} | `tests/{file}`: `{test}` |");
    }
    page
}

/// The committed table is how they end. Where it is not, the file is written anew, to be looked at and committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table() {
    for (_, file, test) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{file}: {test}");
    }
    let upstream = Upstream::start().await;
    let mut packs = calls::packs();
    packs.extend(servers::packs(&upstream));
    let crib = Crib::start(&packs);
    // With it start the threads for guests that compute for long.
    crib.client.call("spins", json!({})).await;
    let mut alone = Vec::new();
    for _ in 0..50 {
        alone.push(crib.hello().await);
    }
    let alone = median(alone);

    let idle = crib.held();
    let (ends, beside) = crib.round(&packs).await;
    let most = SLOWER_FLOOR.max(alone * MAX_SLOWER);
    assert!(
        beside < most,
        "a light call takes {beside:?}, alone {alone:?}"
    );
    let (again, _) = crib.round(&packs).await;
    assert_eq!(again, ends, "it ends the same each time");
    crib.settles(idle).await;
    crib.takes_all_places().await;
    let longest = crib.longest_line.load(SeqCst);
    assert!(
        longest < MAX_LINE_BYTES,
        "a line of {longest} bytes in the log"
    );
    let smuggled = upstream.asked().iter().any(|head| head.contains("evil"));
    assert!(!smuggled, "{:?}", upstream.asked());

    let page = page(&packs, &ends, &loads::rows().await);
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    if page != committed {
        std::fs::write(FILE, &page).unwrap();
        panic!(
            "docs/hostile-guests.md was not how they end; it has been written anew: review the change"
        );
    }
}
