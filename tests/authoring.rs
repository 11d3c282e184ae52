//! The libraries for authors of tools: the tests of `wit/rust` and `wit/python` pass, and a component shows each part of
//! `wit/javascript`, which runs nowhere else.

use std::process::Command;

use crate::support::command::{CommandOutput, Toolcrib};

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

#[test]
fn the_rust_crate_passes_its_tests() {
    // In release, since building the examples has compiled the macros for it.
    let output = CommandOutput::of(
        Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--locked", "--release"])
            .args(["--target-dir", "../../guest-examples/rust/target"])
            .current_dir(format!("{WIT}/rust")),
    );
    assert_eq!(output.status, 0, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("6 passed"), "{}", output.stdout);
}

#[test]
fn the_python_module_passes_its_tests() {
    let output = CommandOutput::of(
        Command::new("python3")
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
            .env("PYTHONPATH", ".")
            .current_dir(format!("{WIT}/python")),
    );
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert!(output.stderr.ends_with("OK\n"), "{}", output.stderr);
}

#[test]
fn every_part_of_the_javascript_library_works() {
    let toolcrib = Toolcrib::new();
    assert_eq!(toolcrib.run(&["new", "javascript", "a"]).status, 0);
    let project = toolcrib.path().join("a");
    std::fs::write(
        project.join("src/index.js"),
        include_str!("authoring/index.js"),
    )
    .unwrap();
    let output = CommandOutput::of(Command::new("make").current_dir(&project));
    assert_eq!(output.status, 0, "{output:?}");
    let content = "text\n[image/png, 2 bytes]\n[audio/wav, 1 bytes]\n[https://example.com/]\n[test://x]\ninside\n\
                   [test://y, 1 bytes]\n";
    for (arguments, stdout, stderr) in [
        (
            &["asks"][..],
            "",
            "error: the tool asks a question back (sure), which only an MCP client can answer",
        ),
        (&["content"], content, ""),
        (&["both"], "text\n", ""),
        (&["structured"], "{\"n\":1}\n", ""),
        (
            &["works", "--progress"],
            "undefined true false\n",
            "progress: 1/2 half",
        ),
        (&["fails", "how=tool"], "", "error: broken"),
        (&["fails", "how=arguments"], "", "error: wrong"),
        (
            &["fails", "how=bug"],
            "",
            "error: TypeError: cannot read property 'x' of undefined",
        ),
        (
            &["fails"],
            "",
            "error: the tool returned a value that is not content",
        ),
    ] {
        let output = toolcrib.run(&[&["call", "a/a.wasm"], arguments].concat());
        assert_eq!(output.stdout, stdout, "{arguments:?}: {output:?}");
        let is_line = |line: &str| !stderr.is_empty() && line.starts_with(stderr);
        assert_eq!(
            output.stderr.lines().any(is_line),
            !stderr.is_empty(),
            "{arguments:?}: {output:?}"
        );
    }
    let output = toolcrib.run(&["call", "a/a.wasm", "both", "--json"]);
    assert!(
        output
            .stdout
            .contains("\"structuredContent\": {\n    \"n\": 1"),
        "{output:?}"
    );
    assert!(output.stdout.contains("\"m\": 2"), "{output:?}");
}
