//! File changes during the first load of the components, which the test delays with named pipes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::{wait_for_no_problems, wait_for_text, wait_for_tools};
use crate::support::guest::Guest;
use crate::support::server::{Host, config, write};

/// Starts a host with these references, followed by as many pipes as the host reads in parallel. `change` runs when the
/// references have been read and the host waits for the pipes.
async fn start_delayed(references: &[&str], change: impl FnOnce(&Path) + Send + 'static) -> Host {
    let (dir, mut config) = config(&[]);
    config.watch = WatchMode::Directories;
    config.keep_going = true;
    write(
        &created_dir(dir.path(), "tools"),
        "a",
        &Guest::saying("a", "a").component(),
    );
    let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
    let pipes: Vec<_> = (0..parallelism)
        .map(|index| format!("pipe{index}"))
        .collect();
    for pipe in &pipes {
        let status = Command::new("mkfifo").arg(dir.path().join(pipe)).status();
        assert!(status.unwrap().success());
    }
    let names = references
        .iter()
        .copied()
        .chain(pipes.iter().map(String::as_str));
    for name in names {
        let reference = Reference::parse(name, dir.path()).unwrap();
        config.references.push(reference);
    }
    let path = dir.path().to_owned();
    let writing = tokio::task::spawn_blocking(move || {
        // Opening a pipe for writing waits until the host reads it.
        let open = |pipe| {
            fs::File::options()
                .write(true)
                .open(path.join(pipe))
                .unwrap()
        };
        let mut change = Some(change);
        let mut open_pipes = Vec::new();
        for (index, pipe) in pipes.iter().enumerate() {
            open_pipes.push(open(pipe));
            if index + 1 == pipes.len() {
                change.take().unwrap()(&path);
            }
        }
        for (index, pipe) in open_pipes.iter_mut().enumerate() {
            let name = format!("p{index}");
            let bytes = Guest::saying(&name, "pipe").component();
            std::io::Write::write_all(pipe, &bytes).unwrap();
        }
    });
    let host = Host::run(dir, config).await;
    writing.await.unwrap();
    host
}

fn created_dir(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::create_dir(&path).unwrap();
    path
}

/// The tools of the components that are read from pipes.
fn pipe_tools() -> Vec<String> {
    let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
    (0..parallelism).map(|index| format!("p{index}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_during_startup_is_reloaded() {
    let host = start_delayed(&["tools/"], |dir| {
        write(
            &dir.join("tools"),
            "a",
            &Guest::saying("b", "b").component(),
        );
    })
    .await;
    let names = [vec!["b".to_owned()], pipe_tools()].concat();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    wait_for_tools(&host.client(), &names).await;
    wait_for_no_problems(&host).await;
}

/// The missing path is watched, although it turns out to be a file and files are not watched in this mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_created_during_startup_stays_watched() {
    let host = start_delayed(&["later.wasm"], |dir| {
        write(dir, "later", &Guest::saying("later", "one").component());
    })
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let capability = &found.result()["capabilities"]["tools"];
    assert_eq!(capability["listChanged"], true, "{capability}");
    let names = [vec!["later".to_owned()], pipe_tools()].concat();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    wait_for_tools(&client, &names).await;
    // The tools of the pipes stay, although a pipe cannot be read twice.
    write(
        host.dir(),
        "later",
        &Guest::saying("later", "two").component(),
    );
    wait_for_text(&client, "later", "two").await;
    wait_for_tools(&client, &names).await;
}
