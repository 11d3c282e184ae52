//! Scans of the references: when they happen, and which files they load.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    MAX_RELOAD_TIME, client_of, ready_problems, start_process, tool_names, wait_for_no_problems,
    wait_for_problem, wait_for_text, wait_until, watcher_threads,
};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, component};
use crate::support::process::Process;
use crate::support::server::Host;

/// A file that is still being written is not reported as damaged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incomplete_files_are_not_reported() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let path = host.dir().join("a.wasm");
    let mut problems_before = Vec::new();
    for (current, next) in [("one", "two"), ("two", "three")] {
        let mut guest = Guest::saying("a", next);
        guest.string(vec![b'x'; 256 << 10]);
        let bytes = guest.component();
        let mut file = std::fs::File::create(&path).unwrap();
        // The writing takes longer than the debounce time of changes, and pauses in the middle.
        for (index, part) in bytes.chunks(bytes.len() / 100 + 1).enumerate() {
            file.write_all(part).unwrap();
            let written = Instant::now();
            let pause = if index == 50 { 500 } else { 20 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let problems = ready_problems(&host).await;
            assert_eq!(client.call("a", json!({})).await.text(), current);
            // On a busy machine the pause may be so long that the file counts as complete.
            if written.elapsed() < Duration::from_millis(900) {
                assert_eq!(problems, problems_before);
            }
        }
        drop(file);
        wait_for_text(&client, "a", next).await;
        wait_for_no_problems(&host).await;
        // In the second round the file starts damaged: its problem must stay until the file is complete.
        std::fs::write(&path, "rubbish").unwrap();
        wait_for_problem(&host, &["a.wasm"]).await;
        problems_before = ready_problems(&host).await;
    }
}

/// The number of scans is limited, however often a file is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_constantly_does_not_block_others() {
    let dir = Toolcrib::new();
    let path = dir.write("a", &Guest::saying("a", "one").component());
    let process = start_process(&dir, &["."]);
    let client = client_of(&process);
    let (second, third) = (Guest::saying("a", "two"), Guest::saying("b", "b"));
    let is_done = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let (is_done, bytes) = (is_done.clone(), second.component());
        move || {
            let (mut longest_pause, mut last) = (Duration::ZERO, Instant::now());
            while !is_done.load(Ordering::Relaxed) {
                std::fs::write(&path, &bytes).unwrap();
                std::thread::sleep(Duration::from_millis(5));
                longest_pause = longest_pause.max(last.elapsed());
                last = Instant::now();
            }
            longest_pause
        }
    });
    let (started, mut scans, mut is_served) = (Instant::now(), BTreeSet::new(), false);
    dir.write("b", &third.component());
    // Counts scans for at least three seconds, and until the other component is served.
    while (!is_served && started.elapsed() < MAX_RELOAD_TIME)
        || started.elapsed() < Duration::from_secs(3)
    {
        scans.extend(watcher_threads(&process));
        is_served = is_served || tool_names(&client).await == ["a", "b"];
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let max_scans = started.elapsed().as_millis() / 100 + 2;
    let answer = client.call("a", json!({})).await;
    is_done.store(true, Ordering::Relaxed);
    // On a busy machine the pauses between writes may be so long that the file counts as complete.
    if writing.join().unwrap() < Duration::from_millis(90) {
        assert_eq!(answer.text(), "one");
    }
    assert!(is_served, "the other component is never served");
    assert!(scans.len() as u128 <= max_scans, "{} scans", scans.len());
    wait_for_text(&client, "a", "two").await;
}

/// Reads of components and changes of other files cause no scan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unrelated_events_cause_no_scan() {
    let dir = Toolcrib::new();
    let path = dir.write("a", &Guest::saying("a", "one").component());
    let process = start_process(&dir, &["."]);
    let client = client_of(&process);
    // A change may cause two scans, so wait for both.
    std::fs::write(&path, Guest::saying("a", "two").component()).unwrap();
    wait_for_text(&client, "a", "two").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let threads_before = watcher_threads(&process);
    assert_eq!(threads_before.len(), 1, "{threads_before:?}");
    for _ in 0..40 {
        std::fs::read(&path).unwrap();
        dir.file("readme.txt", "hello");
        std::fs::create_dir(dir.path().join("more")).unwrap();
        std::fs::remove_dir(dir.path().join("more")).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(watcher_threads(&process), threads_before);
    std::fs::write(&path, Guest::saying("a", "three").component()).unwrap();
    wait_for_text(&client, "a", "three").await;
    assert_ne!(watcher_threads(&process), threads_before);
}

/// Files that failed to load or conflict with others are not loaded again either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unchanged_files_are_not_loaded_again() {
    /// The time that loading the endless component takes.
    const LOAD_TIME: Duration = Duration::from_secs(8);
    let dir = Toolcrib::new();
    dir.write("a", &Guest::saying("run", "one").component());
    dir.file(
        "c.toml",
        format!(
            "components = [\".\"]\nlimits.time = \"{}s\"\n",
            LOAD_TIME.as_secs()
        ),
    );
    let log = Arc::new(Mutex::new(String::new()));
    let mut command = dir.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let captured = log.clone();
    let process =
        Process::start_heard(command, move |line| captured.lock().unwrap().push_str(line));
    let count = |text: &str| log.lock().unwrap().matches(text).count();
    let client = client_of(&process);
    // Not served, because its tool has the same name as a served one.
    dir.write("conflict", &run_component());
    // Reaches the time limit while its definitions are read.
    dir.write("endless", &endless_component());
    wait_until("both problems", async || {
        let answer = client
            .http
            .get(format!("http://{}/readyz", process.address))
            .send()
            .await;
        answer.unwrap().text().await.unwrap().lines().count() == 3
    })
    .await;
    for name in ["b", "c", "d"] {
        let started = Instant::now();
        dir.write(name, &Guest::saying(name, name).component());
        wait_until(name, async || {
            tool_names(&client).await.contains(&name.to_owned())
        })
        .await;
        assert!(
            started.elapsed() < LOAD_TIME,
            "{name}: {:?}",
            started.elapsed()
        );
    }
    assert_eq!(count("export skipped"), 1);
    // Each problem is logged once.
    assert_eq!(count("component not served"), 2);
    assert_eq!(count("component problem resolved"), 0);
    std::fs::remove_file(dir.path().join("conflict.wasm")).unwrap();
    wait_until("the resolved conflict", async || count("component problem resolved") == 1).await;
}

/// A function component with the tool `run`, and an export that is logged as skipped each time the component is loaded.
fn run_component() -> Vec<u8> {
    component(
        "export run: func(); export wasi:cli/run@0.2.0;",
        "(module (func (export \"run\"))
           (func (export \"wasi:cli/run@0.2.0#run\") (result i32) (i32.const 0)))",
    )
}

/// A component whose `definitions` never returns.
fn endless_component() -> Vec<u8> {
    component(
        "export toolcrib:mcp/tool@0.1.1;",
        "(module
           (memory (export \"memory\") 1)
           (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
           (func (export \"toolcrib:mcp/tool@0.1.1#definitions\") (result i32) (loop $l (br $l)) unreachable)
           (func (export \"toolcrib:mcp/tool@0.1.1#call\")
             (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))",
    )
}
