//! Pulls that are killed, run at once, meet a moved tag or a full disk. Nothing half-written is ever used.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::sync::watch;

use super::{FAILED, check_refused, greet, greeting};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::process::TOOLCRIB;
use crate::support::web::{Web, digest};

fn store(toolcrib: &Toolcrib) -> PathBuf {
    toolcrib.path().join(".cache/toolcrib/components/sha256")
}

/// Returns the names of complete entries and the number of temporary files.
fn entries(store: &Path) -> (Vec<String>, usize) {
    let found = std::fs::read_dir(store).into_iter().flatten();
    let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (temporary, complete): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with('.'));
    (complete, temporary.len())
}

/// Makes the second half of a component wait. Returns what lets it go.
fn gate(web: &Web, component: &[u8]) -> watch::Sender<bool> {
    let path = format!("/v2/team/tool/blobs/{}", digest(component));
    let mut reply = web.prepared(&path);
    let (open, gate) = watch::channel(false);
    reply.gate = Some(gate);
    web.reply(path, reply);
    open
}

/// Waits until a temporary file has content.
fn wait_until_writing(store: &Path) {
    let is_writing = || {
        let entries = std::fs::read_dir(store).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| {
            entry.file_name().to_string_lossy().starts_with('.')
                && entry.metadata().is_ok_and(|metadata| metadata.len() > 0)
        })
    };
    while !is_writing() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_killed_pull_leaves_nothing_that_is_used() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    web.push("1", &hello);
    let open = gate(&web, &hello);
    let reference = web.oci(":1");
    let mut child = toolcrib.command(&["pull", &reference]).spawn().unwrap();
    wait_until_writing(&store(&toolcrib));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(entries(&store(&toolcrib)), (Vec::new(), 1));
    open.send(true).unwrap();
    assert_eq!(greet(&toolcrib, &reference).stdout, "hello\n");
    assert_eq!(entries(&store(&toolcrib)).0.len(), 1);
}

#[test]
fn two_pulls_at_once_both_succeed() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    web.push("1", &hello);
    let open = gate(&web, &hello);
    let reference = web.oci(":1");
    let pull = || {
        let mut command = toolcrib.command(&["pull", &reference]);
        command.stdin(Stdio::null()).spawn().unwrap()
    };
    let children = [pull(), pull()];
    while entries(&store(&toolcrib)).1 < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    open.send(true).unwrap();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let hex = digest(&hello).trim_start_matches("sha256:").to_owned();
    assert_eq!(entries(&store(&toolcrib)), (vec![hex], 0));
}

/// The component is the one of the manifest that was resolved, whatever the tag names by then.
#[test]
fn a_tag_may_move_between_resolving_and_fetching() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let old = greeting("old");
    web.push("1", &old);
    let open = gate(&web, &old);
    let reference = web.oci(":1");
    let command = ["call", "--allow-unpinned", &*reference, "greet"];
    let child = toolcrib
        .command(&command)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_writing(&store(&toolcrib));
    web.push("1", &greeting("new"));
    open.send(true).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"old\n", "{output:?}");
    assert_eq!(greet(&toolcrib, &reference).stdout, "new\n");
}

/// A full disk is a sentence, and leaves nothing behind. Here the size of files is limited instead.
#[test]
fn a_component_that_cannot_be_written_is_refused() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    web.push("1", &greeting(&"long ".repeat(2000)));
    let reference = web.oci(":1");
    let mut command = toolcrib.command(&[]);
    let script = format!("ulimit -f 2; exec {TOOLCRIB} pull {reference}");
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &script])
        .current_dir(toolcrib.path())
        .env_clear()
        .env("HOME", toolcrib.path());
    let output = CommandOutput::of(&mut shell);
    check_refused(
        "limited",
        &output,
        FAILED,
        &["cannot be kept in", "free space"],
    );
    assert_eq!(entries(&store(&toolcrib)), (Vec::new(), 0));
    let output = CommandOutput::of(command.args(["pull", &reference]));
    assert_eq!(output.status, 0, "{output:?}");
}
