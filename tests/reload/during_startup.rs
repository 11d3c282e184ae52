//! What happens while the components are loaded for the first time. A pipe among them holds that up for as long as the test
//! likes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use toolcrib::config::WatchMode;
use toolcrib::reference::Reference;

use super::{until_names, until_ready};
use crate::support::guest::Guest;
use crate::support::server::{Host, config, write};

/// Serves these references and as many pipes as are read at once, in that order. While the last pipe is waited for, the first
/// references are loaded, and `change` happens.
async fn held_up(references: &[&str], change: impl FnOnce(&Path) + Send + 'static) -> Host {
    let (dir, mut config) = config(&[]);
    config.changes = WatchMode::Directories;
    config.keep_going = true;
    write(
        &made(dir.path(), "tools"),
        "a",
        &Guest::saying("a", "a").component(),
    );
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let pipes: Vec<_> = (0..at_once).map(|index| format!("pipe{index}")).collect();
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
        // Each can be opened when somebody has begun to read it.
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

fn made(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::create_dir(&path).unwrap();
    path
}

fn pipes() -> Vec<String> {
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    (0..at_once).map(|index| format!("p{index}")).collect()
}

/// A file that changes after it was read is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed() {
    let host = held_up(&["tools/"], |dir| {
        write(
            &dir.join("tools"),
            "a",
            &Guest::saying("b", "b").component(),
        );
    })
    .await;
    let names = [vec!["b".to_owned()], pipes()].concat();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    until_names(&host.client(), &names).await;
    until_ready(&host).await;
}

/// A file that comes is followed as what it was when it was awaited, and clients are told that it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn came() {
    let host = held_up(&["later.wasm"], |dir| {
        write(dir, "later", &Guest::saying("later", "one").component());
    })
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let can = &found.result()["capabilities"]["tools"];
    assert_eq!(can["listChanged"], true, "{can}");
    let names = [vec!["later".to_owned()], pipes()].concat();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    until_names(&client, &names).await;
    // Pipes are read once.
    write(
        host.dir(),
        "later",
        &Guest::saying("later", "two").component(),
    );
    super::until_says(&client, "later", "two").await;
    until_names(&client, &names).await;
}
