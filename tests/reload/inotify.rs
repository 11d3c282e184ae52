//! Reaching the kernel's limits on inotify watches, instances and queued events.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{client_of, start_process, wait_for_text, wait_until};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::{Process, TOOLCRIB};

fn send_signal(process: &Process, signal: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([signal, &process.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// The process is stopped until the kernel has dropped events because its queue is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_found_after_a_queue_overflow() {
    let max_events = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let max_events: u32 = max_events.trim().parse().unwrap();
    let dir = Toolcrib::new();
    dir.write("a", &Guest::saying("a", "one").component());
    let process = start_process(&dir, &["."]);
    let client = client_of(&process);
    send_signal(&process, "-STOP");
    // Files that are not components; each causes two events.
    for index in 0..=max_events / 2 {
        let name = dir.path().join(index.to_string());
        fs::File::create(&name).unwrap();
        fs::remove_file(&name).unwrap();
    }
    dir.write("a", &Guest::saying("a", "two").component());
    send_signal(&process, "-CONT");
    wait_for_text(&client, "a", "two").await;
}

/// Without enough watches the host logs it and polls, and it returns to watching when the limit is raised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exhausted_watches_fall_back_to_polling() {
    let can_limit = Command::new("unshare")
        .args([
            "-Ur",
            "sh",
            "-c",
            "echo 9 > /proc/sys/user/max_inotify_watches",
        ])
        .output();
    if !can_limit.is_ok_and(|ended| ended.status.success()) {
        eprintln!("skipped: user namespaces with their own limits are not available");
        return;
    }
    for (limit, max) in [("instances", 0), ("watches", 1)] {
        let dir = Toolcrib::new();
        dir.write("a", &Guest::saying("a", "one").component());
        // Raises the limit as soon as the file `raise` exists.
        let script = format!(
            "limit=/proc/sys/user/max_inotify_{limit}; echo {max} > $limit
             (for i in $(seq 600); do [ -e raise ] && echo 100 > $limit && break; sleep 0.1; done) &
             exec {TOOLCRIB} serve . --no-auth --listen 127.0.0.1:0"
        );
        let mut command = Command::new("unshare");
        command
            .args(["-Ur", "sh", "-c", &script])
            .current_dir(dir.path())
            .env("HOME", dir.path());
        let log = Arc::new(Mutex::new(String::new()));
        let captured = log.clone();
        let process = Process::start_heard(command, move |line| {
            let mut log = captured.lock().unwrap();
            log.push_str(line);
            log.push('\n');
        });
        let client = client_of(&process);
        let count = |text: &str| log.lock().unwrap().matches(text).count();
        assert_eq!(count("checked every 5 s instead"), 1, "{log:?}");
        assert_eq!(count(&format!("fs.inotify.max_user_{limit}")), 1, "{log:?}");
        dir.write("a", &Guest::saying("a", "two").component());
        wait_for_text(&client, "a", "two").await;
        dir.file("raise", "");
        wait_until("reported again", async || count("file watching restored") == 1).await;
        dir.write("a", &Guest::saying("a", "three").component());
        wait_for_text(&client, "a", "three").await;
        assert_eq!(count("checked every 5 s instead"), 1, "{log:?}");
    }
}
