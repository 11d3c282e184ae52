//! Volumes of Kubernetes: the layout of a mounted config map and how the kubelet replaces it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{client_of, tool_component, wait_for_text, wait_for_tools};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::process::Process;
use crate::support::server::write;

/// Writes these components as the kubelet does (`atomic_writer.go`): a new directory with the files, the link `..data`
/// replaced by renaming another link, links for the new files, the links of removed files deleted, the old directory
/// removed.
fn publish(volume: &Path, version: &str, components: &[(&str, Vec<u8>)]) {
    let dir = volume.join(version);
    fs::create_dir(&dir).unwrap();
    for (name, bytes) in components {
        write(&dir, name, bytes);
    }
    let data = volume.join("..data");
    let old = fs::read_link(&data).ok();
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), &data).unwrap();
    for (name, _) in components {
        let link = volume.join(format!("{name}.wasm"));
        if link.symlink_metadata().is_err() {
            symlink(format!("..data/{name}.wasm"), link).unwrap();
        }
    }
    for entry in fs::read_dir(volume).unwrap() {
        let path = entry.unwrap().path();
        let is_link = path.symlink_metadata().unwrap().is_symlink();
        if is_link && !path.ends_with("..data") && !path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old)).unwrap();
    }
}

/// Changes are served without a warning: nothing is missing at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_config_maps_are_served_without_a_warning() {
    let version = |n: usize| format!("..2026_11_28_01_02_{n:02}.{:09}", n * 7_654_321);
    let second = || ("second", Guest::saying("second", "2").component());
    let dir = Toolcrib::new();
    let volume = dir.path().join("tools");
    fs::create_dir(&volume).unwrap();
    publish(&volume, &version(0), &[("tool", tool_component("0"))]);
    let mut command = dir.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
    command.arg("tools/");
    let log = Arc::new(Mutex::new(String::new()));
    let captured = log.clone();
    let process = Process::start_with_log(command, move |line| {
        let mut log = captured.lock().unwrap();
        log.push_str(line);
        log.push('\n');
    });
    let client = client_of(&process);
    for n in 1..6 {
        let text = n.to_string();
        let mut components = vec![("tool", tool_component(&text))];
        if n % 2 == 1 {
            components.push(second());
        }
        publish(&volume, &version(n), &components);
        wait_for_text(&client, "tool", &text).await;
        match n % 2 {
            1 => wait_for_tools(&client, &["second", "tool"]).await,
            _ => wait_for_tools(&client, &["tool"]).await,
        }
    }
    // Several changes in a row.
    for n in 6..12 {
        let text = n.to_string();
        publish(&volume, &version(n), &[("tool", tool_component(&text))]);
    }
    wait_for_text(&client, "tool", "11").await;
    let ready = reqwest::get(format!("http://{}/readyz", process.address));
    let ready = ready.await.unwrap().text().await.unwrap();
    assert_eq!(ready.trim(), "ready");
    let log = log.lock().unwrap();
    assert!(log.contains("component loaded"), "{log}");
    let warnings = log
        .lines()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"));
    let warnings: Vec<_> = warnings
        .filter(|line| !line.contains("authentication is off"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

/// A component in upper case is noticed too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_files_in_upper_case_are_detected() {
    let dir = Toolcrib::new();
    fs::create_dir(dir.path().join("tools")).unwrap();
    let mut command = dir.command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
    command.arg("tools/");
    let process = Process::start(command);
    let client = client_of(&process);
    dir.file("tools/TOOL.WASM", tool_component("loud"));
    wait_for_text(&client, "tool", "loud").await;
}
