//! The page in a real Chromium: results of every kind, progress, questions, the keyboard, a phone's width, hundreds of tools,
//! and a server whose texts try to run script. The bundle in the binary is the one that its sources make.

mod guests;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use toolcrib::reference::Reference;

use crate::browser::browser;
use crate::support::server::{Host, config};
use crate::{EXAMPLES, node};

/// Directory of the scripts that play the user.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/page");
/// Time limit of a script on a busy machine.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(180);

/// Runs a script in a browser and returns the JSON lines that it prints.
pub(crate) async fn play(script: &str, arguments: &[&str]) -> Vec<Value> {
    let running = tokio::process::Command::new(node())
        .arg(format!("{SCRIPTS}/{script}.mjs"))
        .arg(browser())
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SCRIPT_TIMEOUT, running);
    let output = output.await.expect("the script ends").unwrap();
    let printed = succeeded(output);
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn succeeded(output: Output) -> String {
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_uses_tools_prompts_and_resources() {
    let guest = guests::useful();
    let (dir, mut config) = config(&[("useful", &guest)]);
    for name in ["echo", "jq", "qr", "handbook"] {
        let reference = format!("{EXAMPLES}/{name}.wasm");
        let reference = Reference::parse(&reference, Path::new("")).unwrap();
        config.references.push(reference);
    }
    config.server.name = "Workshop tools".into();
    config.server.instructions = Some("Use `jq` for JSON.".into());
    let host = Host::run(dir, config).await;
    let printed = play("uses", &[&host.url("/")]).await;
    // The command that the page shows does what the page did.
    let curl = printed[0]["curl"].as_str().unwrap();
    let output = Command::new("sh").args(["-c", curl]).output().unwrap();
    let answer: Value = serde_json::from_str(&succeeded(output)).unwrap();
    let text = &answer["result"]["structuredContent"]["text"];
    assert_eq!(text, "hé 世界 <b>", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_of_a_hostile_server_runs() {
    let (dir, mut config) = config(&[("hostile", &guests::hostile())]);
    config.server.name = guests::SCRIPT.into();
    config.server.instructions = Some(guests::PAYLOADS.join("\n\n"));
    let host = Host::run(dir, config).await;
    play("hostile", &[&host.url("/")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_tools_are_listed_and_searched() {
    let host = Host::of(&guests::many(500)).await;
    play("many", &[&host.url("/")]).await;
}

#[test]
fn the_bundle_is_built_from_its_sources() {
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .args([
            "package.json",
            "package-lock.json",
            "build.mjs",
            "tsconfig.json",
            "src",
        ])
        .arg(dir.path())
        .current_dir(SOURCES)
        .status();
    assert!(copied.unwrap().success());
    for arguments in [
        &["ci", "--silent", "--no-audit", "--no-fund"][..],
        &["run", "--silent", "check"],
        &["run", "--silent", "build"],
    ] {
        let mut npm = Command::new("npm");
        npm.args(arguments).current_dir(dir.path());
        succeeded(npm.output().unwrap());
    }
    let mut built_bytes = 0;
    for name in ["page.js", "page.css"] {
        let built = std::fs::read(dir.path().join("dist").join(name)).unwrap();
        let committed = std::fs::read(format!("{SOURCES}/dist/{name}")).unwrap();
        built_bytes += built.len();
        let is_same = built == committed;
        assert!(
            is_same,
            "{name} is not what its sources make; run `npm ci && npm run build` in host/page"
        );
    }
    // A page that loads at once also through a slow connection.
    assert!(built_bytes <= 128 << 10, "{built_bytes} bytes");
}
