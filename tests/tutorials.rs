//! The tutorials of the book, and the projects of `toolcrib new` that they build: each `sh` block of a tutorial is run in one
//! shell in a clean folder, and must print what the `text` blocks show.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::EXAMPLES;
use crate::support::command::CommandOutput;
use crate::support::process::TOOLCRIB;

/// The folder of the examples, whose compilers the projects use.
pub(crate) fn examples() -> PathBuf {
    Path::new(EXAMPLES).parent().unwrap().to_owned()
}

/// Writes programs into `bin` below a folder, and returns a `PATH` with it first and the compilers of the examples last.
/// The program `toolcrib` has the configuration of the folder; `make` also works where Rust's target cannot be
/// downloaded, and `rustup` does not fail there.
pub(crate) fn path_with_programs(folder: &Path, configuration: &str) -> String {
    let config = folder.join("limits.toml");
    // On a busy machine the compilation of an interpreter takes long.
    fs::write(
        &config,
        format!("{configuration}\n[limits]\ncompile = \"30m\"\n"),
    )
    .unwrap();
    let (config, build) = (config.display(), examples().join("build.sh"));
    let build = build.display();
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    for (name, script) in [
        (
            "toolcrib",
            format!(
                "case $1 in new) exec {TOOLCRIB} \"$@\" ;; *) exec {TOOLCRIB} \"$@\" --config {config} ;; esac"
            ),
        ),
        (
            "make",
            format!(
                "export TOOLCRIB={0}/toolcrib\nPATH=${{PATH#*:}}\nif [ -e Cargo.toml ]; then {build} --project \"$PWD\" || exit; fi\nexec make \"$@\"",
                bin.display()
            ),
        ),
        ("rustup", "PATH=${PATH#*:}\nrustup \"$@\" || true".into()),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    let go = examples().join("go/.venv/bin");
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}:{}", bin.display(), go.display())
}

/// A command in a folder that uses what the examples have compiled already.
pub(crate) fn command(program: &str, folder: &Path, path: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("PATH", path)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("CARGO_TARGET_DIR", examples().join("rust/target"))
        .env("GOCACHE", examples().join("go/build/cache"))
        .env("GOTOOLCHAIN", "local")
        .env("ZIG_GLOBAL_CACHE_DIR", examples().join("c/build/cache"))
        .env_remove("TOOLCRIB");
    command
}

/// The blocks of a page in a language, in order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts
        .map(|part| part.split_once("\n```").unwrap().0)
        .collect()
}

/// Runs a tutorial. `passed` is what the project's own test prints.
fn run(language: &str, passed: &str) {
    let page = examples().join(format!("../docs/tutorial-{language}.md"));
    let page = fs::read_to_string(page).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // The listener is closed at the end of the statement.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let configuration = format!("server.listen = \"{address}\"");
    let path = path_with_programs(dir.path(), &configuration);

    let lock = examples().join("rust/Cargo.lock");
    let mut script = String::from("set -eux\ntrap 'kill $(jobs -p)' EXIT\n");
    for block in blocks(&page, "sh") {
        script.push_str(&block.replace("127.0.0.1:8080", &address));
        script.push('\n');
        if block.contains("cd word-count") && language == "rust" {
            // The versions of the dependencies that the examples use, which are compiled already.
            script.push_str(&format!("cp {} .\n", lock.display()));
        }
    }
    // The limit is for a server that never answers.
    let mut shell = command("timeout", dir.path(), &path);
    let output = CommandOutput::of(shell.args(["1200", "bash", "-c", &script]));
    let printed = [output.stdout, output.stderr].concat();
    assert_eq!(output.status, 0, "{language}: {printed}");
    let shown = blocks(&page, "text");
    assert!(shown.len() > 1, "{language}");
    for line in shown.iter().flat_map(|block| block.lines()).chain([passed]) {
        assert!(
            printed.contains(line),
            "{language}: {line} is not in {printed}"
        );
    }
}

#[test]
fn tutorial_of_rust() {
    run("rust", "2 passed");
}

#[test]
fn tutorial_of_python() {
    run("python", "Ran 2 tests");
}

#[test]
fn tutorial_of_typescript() {
    run("typescript", "pass 2");
}

#[test]
fn tutorial_of_javascript() {
    run("javascript", "pass 2");
}

#[test]
fn tutorial_of_c() {
    run("c", "Ran 2 tests");
}

#[test]
fn tutorial_of_go() {
    run("go", "Ran 2 tests");
}
