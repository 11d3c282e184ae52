//! `toolcrib dev` with the projects of `toolcrib new`: each is built, changed and served again.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::EXAMPLES;
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::dev::Dev;

/// A source that is a program in no language.
const WRONG: &str = "this is no program (";

/// Creates a project, and changes the description of its tool while it is served. `guest-examples/build.sh` builds Rust also
/// on a machine that lacks the target. The project builds at first if `is_good`.
async fn change(language: &str, source: &str, description: &str, is_good: bool) {
    let toolcrib = Toolcrib::new();
    let output = toolcrib.run(&["new", language, "word-count"]);
    assert_eq!(output.status, 0, "{output:?}");
    let project = toolcrib.path().join("word-count");
    let examples = Path::new(EXAMPLES).parent().unwrap();
    let mut build = Vec::new();
    if language == "rust" {
        // The versions of the dependencies that the examples use, which are compiled already.
        fs::copy(examples.join("rust/Cargo.lock"), project.join("Cargo.lock")).unwrap();
        let script = format!("{}/build.sh --project", examples.display());
        build = vec![
            "--build".to_owned(),
            format!("{script} '{}'", project.display()),
        ];
    }
    // On a busy machine the compilation of an interpreter takes long.
    fs::write(
        project.join("toolcrib.toml"),
        "[limits]\ncompile = \"30m\"\n",
    )
    .unwrap();
    let mut command = toolcrib.command(&["dev", "word-count", "--listen", "127.0.0.1:0"]);
    command
        .args(build)
        .envs(std::env::vars())
        .env("CARGO_TARGET_DIR", examples.join("rust/target"))
        .env("XDG_CACHE_HOME", toolcrib.path());
    let source = project.join(source);
    let text = fs::read_to_string(&source).unwrap();
    assert!(text.contains(description), "{text}");
    if !is_good {
        fs::write(&source, WRONG).unwrap();
    }
    let mut dev = Dev::start_command(command);
    match is_good {
        true => dev.wait("serving 1 tool from 1 component"),
        false => dev.wait("error: `"),
    };
    fs::write(&source, text.replace(description, "Counts changed words")).unwrap();
    let built = dev.wait("built in ");
    println!("{language}: {built}, {}", dev.wait(" after the change"));
    let client = Client::new(&dev.url(), Revision::July2026);
    let tools = client.list().await;
    let found = &tools.result()["tools"][0]["description"];
    let found = found.as_str().unwrap();
    assert!(found.starts_with("Counts changed words"), "{found}");
    let call = || client.call("count_words", json!({ "text": "a b" }));
    call().await.result();
    println!("{language}: {}", dev.wait("call count_words: ok in "));
    // An error of the compiler keeps what is served.
    fs::write(&source, WRONG).unwrap();
    dev.wait("error: `");
    call().await.result();
    dev.wait("call count_words: ok in ");
    assert_eq!(dev.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_is_built_and_served_after_a_change() {
    change("rust", "src/lib.rs", "Counts the words", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_is_built_and_served_after_a_change() {
    change("python", "src/app.py", "Counts the words", false).await;
}
