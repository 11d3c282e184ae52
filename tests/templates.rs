//! The projects of plain functions that `toolcrib new --functions` makes: each builds with its one command, and its own test
//! passes, which calls the component. The tutorials build the other projects.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::EXAMPLES;
use crate::support::command::{CommandOutput, Toolcrib};
use crate::tutorials::{command, examples, path_with_programs};

/// Creates a project in a clean folder, builds and tests it. `passed` is what its test prints. Returns what `inspect` prints.
fn build_and_test(language: &str, passed: &str) -> Value {
    let toolcrib = Toolcrib::new();
    let output = toolcrib.run(&["new", language, "word-count", "--functions"]);
    assert_eq!(output.status, 0, "{output:?}");
    let project = toolcrib.path().join("word-count");
    let path = path_with_programs(toolcrib.path(), "");
    if language == "rust" {
        // The versions of the dependencies that the examples use, which are compiled already.
        let lock = examples().join("functions/Cargo.lock");
        std::fs::copy(lock, project.join("Cargo.lock")).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut make: Command = command("make", &project, &path);
        let output = CommandOutput::of(make.args(arguments));
        assert_eq!(
            output.status, 0,
            "{language}: {}\n{}",
            output.stdout, output.stderr
        );
        output
    };
    run(&[]);
    let component = project.join("word-count.wasm");
    assert!(component.exists(), "{language}");
    let built = component.metadata().unwrap().modified().unwrap();
    let output = run(&["test"]);
    let printed = [output.stdout, output.stderr].concat();
    assert!(printed.contains(passed), "{language}: {printed}");
    assert_eq!(
        component.metadata().unwrap().modified().unwrap(),
        built,
        "{language} built twice"
    );
    let output = toolcrib.run(&["inspect", component.to_str().unwrap(), "--json"]);
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    found[0].clone()
}

#[test]
fn rust_projects_of_functions_build_and_pass_their_test() {
    let component = build_and_test("rust", "2 passed");
    let memory = component["memory"].as_u64().unwrap();
    assert!(
        memory <= 192 << 10,
        "{memory} bytes, which is slow to reset"
    );
}

#[test]
fn python_projects_of_functions_build_and_pass_their_test() {
    build_and_test("python", "Ran 2 tests");
}

#[test]
fn javascript_projects_of_functions_build_and_pass_their_test() {
    build_and_test("javascript", "pass 2");
}

#[test]
fn typescript_projects_of_functions_build_and_pass_their_test() {
    build_and_test("typescript", "pass 2");
}

/// The bindings for Go in the projects are those that the generator writes for the contract.
#[test]
fn bindings_for_go_are_up_to_date() {
    let library = Path::new(EXAMPLES).ancestors().nth(2).unwrap();
    let library = library.join("wit/go/bindings");
    let generated = Path::new(EXAMPLES).with_file_name("go/build/bindings");
    for file in [
        "exports/wit_exports/wit_exports.go",
        "imports/toolcrib_mcp_call/wit_bindings.go",
        "imports/toolcrib_mcp_types/wit_bindings.go",
    ] {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(
            text(&library) == text(&generated),
            "copy guest-examples/go/build/bindings/{file} to wit/go/bindings"
        );
    }
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
