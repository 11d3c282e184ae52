//! The templates of `toolcrib new`: each project builds with its one command, and its own test passes, which calls the
//! component.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::EXAMPLES;
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::process::TOOLCRIB;

/// Creates a project in a clean folder, builds and tests it.
fn build_and_test(language: &str, functions: bool) {
    let toolcrib = Toolcrib::new();
    let mut arguments = vec!["new", language, "word-count"];
    arguments.extend(functions.then_some("--functions"));
    let output = toolcrib.run(&arguments);
    assert_eq!(output.status, 0, "{output:?}");
    let project = toolcrib.path().join("word-count");

    // On a busy machine the compilation of an interpreter takes long.
    toolcrib.file("limits.toml", "[limits]\ncompile = \"30m\"\n");
    let host = toolcrib.path().join("toolcrib");
    let limits = toolcrib.path().join("limits.toml");
    let script = format!(
        "#!/bin/sh\nexec {TOOLCRIB} \"$@\" --config {}\n",
        limits.display()
    );
    std::fs::write(&host, script).unwrap();
    std::fs::set_permissions(&host, Permissions::from_mode(0o755)).unwrap();

    let examples = Path::new(EXAMPLES).parent().unwrap();
    let rust = examples.join("rust");
    if language == "rust" {
        // The versions of the dependencies that the examples use, which are compiled already.
        let lock = if functions {
            examples.join("functions")
        } else {
            rust.clone()
        };
        std::fs::copy(lock.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    }
    let run = |command: &mut Command| {
        let output = CommandOutput::of(
            command
                .current_dir(&project)
                .env("TOOLCRIB", &host)
                .env("CARGO_TARGET_DIR", rust.join("target"))
                .env("XDG_CACHE_HOME", toolcrib.path()),
        );
        assert_eq!(
            output.status, 0,
            "{language}: {}\n{}",
            output.stdout, output.stderr
        );
        output
    };
    run(Command::new(examples.join("build.sh"))
        .arg("--project")
        .arg(&project));
    let component = project.join("word-count.wasm");
    assert!(component.exists(), "{language}");
    let built = component.metadata().unwrap().modified().unwrap();
    let output = run(Command::new("make").arg("test"));
    assert!(
        [output.stdout, output.stderr]
            .concat()
            .contains(match language {
                "rust" => "2 passed",
                "python" | "c" => "Ran 2 tests",
                _ => "pass 2",
            }),
        "{language}"
    );
    assert_eq!(
        component.metadata().unwrap().modified().unwrap(),
        built,
        "{language} built twice"
    );
}

#[test]
fn rust_projects_build_and_pass_their_test() {
    build_and_test("rust", false);
    build_and_test("rust", true);
}

#[test]
fn python_projects_build_and_pass_their_test() {
    build_and_test("python", false);
    build_and_test("python", true);
}

#[test]
fn javascript_projects_build_and_pass_their_test() {
    build_and_test("javascript", false);
    build_and_test("javascript", true);
}

#[test]
fn typescript_projects_build_and_pass_their_test() {
    build_and_test("typescript", false);
    build_and_test("typescript", true);
}

#[test]
fn c_projects_build_and_pass_their_test() {
    build_and_test("c", false);
}

/// The bindings for C in the projects are those that the generator writes for the contract.
#[test]
fn bindings_for_c_are_up_to_date() {
    let wit = Path::new(EXAMPLES).ancestors().nth(2).unwrap().join("wit");
    for file in ["tool_component.c", "tool_component.h"] {
        let generated = Path::new(EXAMPLES)
            .parent()
            .unwrap()
            .join("c/build")
            .join(file);
        let generated = std::fs::read_to_string(&generated).unwrap();
        let vendored = std::fs::read_to_string(wit.join("c").join(file)).unwrap();
        assert!(
            vendored == generated,
            "copy guest-examples/c/build/{file} to wit/c"
        );
    }
}
