//! What the kernel has of watches comes to an end, and so does its queue of events.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{client, serve, until, until_says};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::{Process, TOOLCRIB};

fn signal(process: &Process, signal: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([signal, &process.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Events that came while nobody took them, and were too many to keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overflow() {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: u32 = most.trim().parse().unwrap();
    let place = Toolcrib::new();
    place.write("a", &Guest::saying("a", "one").component());
    let process = serve(&place, &["."]);
    let client = client(&process);
    signal(&process, "-STOP");
    // Names that are no component's; two events each.
    for index in 0..=most / 2 {
        let name = place.path().join(index.to_string());
        fs::File::create(&name).unwrap();
        fs::remove_file(&name).unwrap();
    }
    place.write("a", &Guest::saying("a", "two").component());
    signal(&process, "-CONT");
    until_says(&client, "a", "two").await;
}

/// Where the kernel gives no watches, or too few, it is said, and changes are found all the same, until it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits() {
    let may_limit = Command::new("unshare")
        .args([
            "-Ur",
            "sh",
            "-c",
            "echo 9 > /proc/sys/user/max_inotify_watches",
        ])
        .output();
    if !may_limit.is_ok_and(|ended| ended.status.success()) {
        eprintln!("no user namespace with limits of its own can be had here");
        return;
    }
    for (limit, places) in [("instances", 0), ("watches", 1)] {
        let place = Toolcrib::new();
        place.write("a", &Guest::saying("a", "one").component());
        // Raised when there is a file of that name.
        let script = format!(
            "limit=/proc/sys/user/max_inotify_{limit}; echo {places} > $limit
             (for i in $(seq 600); do [ -e raise ] && echo 100 > $limit && break; sleep 0.1; done) &
             exec {TOOLCRIB} serve . --no-auth --listen 127.0.0.1:0"
        );
        let mut command = Command::new("unshare");
        command
            .args(["-Ur", "sh", "-c", &script])
            .current_dir(place.path())
            .env("HOME", place.path());
        let heard = Arc::new(Mutex::new(String::new()));
        let said = heard.clone();
        let process = Process::start_heard(command, move |line| {
            let mut said = said.lock().unwrap();
            said.push_str(line);
            said.push('\n');
        });
        let client = client(&process);
        let has = |text: &str| heard.lock().unwrap().matches(text).count();
        assert_eq!(has("looked for every 5 s instead"), 1, "{heard:?}");
        assert_eq!(has(&format!("fs.inotify.max_user_{limit}")), 1, "{heard:?}");
        place.write("a", &Guest::saying("a", "two").component());
        until_says(&client, "a", "two").await;
        place.file("raise", "");
        until("reported again", async || has("reported again") == 1).await;
        place.write("a", &Guest::saying("a", "three").component());
        until_says(&client, "a", "three").await;
        assert_eq!(has("looked for every 5 s instead"), 1, "{heard:?}");
    }
}
