//! `toolcrib dev` with a project of `toolcrib new`: it is built, changed and served again.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::EXAMPLES;
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::dev::Dev;

/// A source that is a program in no language.
const WRONG: &str = "this is no program (";

/// The description of the project's tool is changed while it is served. `guest-examples/build.sh` builds Rust also on a machine
/// that lacks the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rust_project_is_built_and_served_after_a_change() {
    let (source, description) = ("src/lib.rs", "Counts the words");
    let toolcrib = Toolcrib::new();
    let output = toolcrib.run(&["new", "rust", "word-count"]);
    assert_eq!(output.status, 0, "{output:?}");
    let project = toolcrib.path().join("word-count");
    let examples = Path::new(EXAMPLES).parent().unwrap();
    // The versions of the dependencies that the examples use, which are compiled already.
    fs::copy(examples.join("rust/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let script = format!("{}/build.sh --project", examples.display());
    let build = format!("{script} '{}'", project.display());
    let mut command = toolcrib.command(&["dev", "word-count", "--listen", "127.0.0.1:0"]);
    command
        .args(["--build", &build])
        .envs(std::env::vars())
        .env("CARGO_TARGET_DIR", examples.join("rust/target"))
        .env("XDG_CACHE_HOME", toolcrib.path());
    let source = project.join(source);
    let text = fs::read_to_string(&source).unwrap();
    assert!(text.contains(description), "{text}");
    let mut dev = Dev::start_command(command);
    dev.wait("serving 1 tool from 1 component");
    fs::write(&source, text.replace(description, "Counts changed words")).unwrap();
    let built = dev.wait("built in ");
    println!("{built}, {}", dev.wait(" after the change"));
    let client = Client::new(&dev.url(), Revision::July2026);
    let tools = client.list().await;
    let found = &tools.result()["tools"][0]["description"];
    let found = found.as_str().unwrap();
    assert!(found.starts_with("Counts changed words"), "{found}");
    let call = || client.call("count_words", json!({ "text": "a b" }));
    call().await.result();
    println!("{}", dev.wait("call count_words: ok in "));
    // An error of the compiler keeps what is served.
    fs::write(&source, WRONG).unwrap();
    dev.wait("error: `");
    call().await.result();
    dev.wait("call count_words: ok in ");
    assert_eq!(dev.stop().code(), Some(0));
}
