//! Files that are not components, and components that cannot be served.

use super::{FAILED, USAGE, check, hello};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::{Guest, Tool, component};

/// The error says what the file is instead, and what to do.
#[test]
fn files_that_are_not_usable_components_are_rejected() {
    let toolcrib = Toolcrib::new();
    let whole = hello();
    let core = wat::parse_str("(module (func (export \"f\")))").unwrap();
    let other_world = component(
        "export wasi:random/random@0.2.0;",
        r#"(module
          (memory (export "memory") 1)
          (func (export "wasi:random/random@0.2.0#get-random-bytes") (param i64) (result i32) unreachable))"#,
    );
    let lacking = component(
        "import test:nowhere/thing@1.2.3; export toolcrib:mcp/tool@0.1.1;",
        r#"(module
            (import "test:nowhere/thing@1.2.3" "do" (func $do))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "toolcrib:mcp/tool@0.1.1#definitions") (result i32) (call $do) unreachable)
            (func (export "toolcrib:mcp/tool@0.1.1#call")
              (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#,
    );
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for (name, bytes, words) in [
        ("empty", Vec::new(), &["the file is empty"][..]),
        (
            "core",
            core,
            &["core module", "wasm32-wasip2", "wasm-tools component new"],
        ),
        (
            "cut",
            whole[..whole.len() / 2].to_vec(),
            &["cut short or damaged"],
        ),
        ("cut-early", whole[..9].to_vec(), &["cut short or damaged"]),
        ("magic", b"\0asm".to_vec(), &["cut short or damaged"]),
        (
            "module-text",
            b"(module)".to_vec(),
            &["WebAssembly text", "wasm-tools parse"],
        ),
        (
            "component-text",
            b"\n  (component)".to_vec(),
            &["WebAssembly text", "wasm-tools parse"],
        ),
        (
            "commented-text",
            b";; hello\n(module)".to_vec(),
            &["WebAssembly text", "wasm-tools parse"],
        ),
        (
            "rubbish",
            b"hello, world\n".to_vec(),
            &["not a WebAssembly component"],
        ),
        (
            "binary-rubbish",
            (0..=255).collect(),
            &["not a WebAssembly component"],
        ),
        (
            "other-world",
            other_world,
            &[
                "toolcrib:mcp/tool@0.1.1",
                "`wasi:random/random@0.2.0#get-random-bytes`",
                "wit/tool.wit",
            ],
        ),
        ("lacking-import", lacking, &["test:nowhere/thing@1.2.3"]),
        ("no-tools", Guest::new().component(), &["defines no tool"]),
        (
            "bad-schema",
            Guest::with(
                Tool::new("t").taking(r#"{"type":"object","required":5}"#),
                "unreachable",
            )
            .component(),
            &["input schema", "`t`", "/required"],
        ),
        (
            "dotted",
            Guest::with(Tool::new("get.weather"), "unreachable").component(),
            &["get.weather", "`A-Z a-z 0-9 _ -`"],
        ),
    ] {
        let file = format!("{name}.wasm");
        toolcrib.file(&file, bytes);
        let words = [words, &[file.as_str()]].concat();
        for arguments in [
            &["inspect", &file][..],
            &["call", &file, "hello"],
            &["check", &file, "--no-auth"],
            &["serve", &file, "--no-auth", "--listen", "127.0.0.1:0"],
            &["stdio", &file],
        ] {
            let output = toolcrib.run(arguments);
            check(&format!("{arguments:?}"), &output, FAILED, &[&words]);
        }
    }
    // The sections are intact; compilation finds the damage.
    toolcrib.file("flipped.wasm", flipped);
    let output = toolcrib.run(&["inspect", "flipped.wasm"]);
    check("flipped", &output, FAILED, &[&["flipped.wasm"]]);
}

#[test]
fn references_without_components_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    std::fs::create_dir(toolcrib.path().join("empty")).unwrap();
    std::fs::create_dir(toolcrib.path().join("texts")).unwrap();
    toolcrib.file("texts/readme.txt", "hello");
    for (reference, status, words) in [
        (
            "nowhere.wasm",
            FAILED,
            &["`nowhere.wasm`", "no such file", "check the path"][..],
        ),
        ("no/where/", FAILED, &["`no/where/`", "no such file"]),
        ("empty", FAILED, &["`empty`", "names no component", ".wasm"]),
        (
            "texts/",
            FAILED,
            &["`texts/`", "names no component", ".wasm"],
        ),
        ("*.nothing", FAILED, &["`*.nothing`", "names no component"]),
        ("a[", USAGE, &["`a[`", "not a glob pattern"]),
        (
            "ftp://example.com/x.wasm",
            USAGE,
            &["ftp://example.com/x.wasm", "`ftp:`", "not supported"],
        ),
        ("", FAILED, &["``"]),
    ] {
        let output = toolcrib.run(&["inspect", reference]);
        check(reference, &output, status, &[words]);
    }
    for (reference, tools) in [
        (".", 1),
        ("hello.wasm", 1),
        ("*.wasm", 1),
        ("hell?.wasm", 1),
        ("./hello.wasm", 1),
    ] {
        let output = toolcrib.run(&["inspect", "--json", reference]);
        assert_eq!(output.status, 0, "{reference}: {output:?}");
        let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found.as_array().unwrap().len(), tools, "{reference}");
    }
    let path = format!("file://{}/hello.wasm", toolcrib.path().display());
    assert_eq!(toolcrib.run(&["inspect", &path]).status, 0);
}

#[test]
fn oversized_files_and_directories_are_rejected() {
    let toolcrib = Toolcrib::new();
    let large = std::fs::File::create(toolcrib.path().join("large.wasm")).unwrap();
    large.set_len((256 << 20) + 1).unwrap();
    let output = toolcrib.run(&["inspect", "large.wasm"]);
    let words: &[&str] = &["large.wasm", "larger than 268435456 bytes"];
    check("large", &output, FAILED, &[words]);
    std::fs::create_dir(toolcrib.path().join("many")).unwrap();
    for index in 0..=10_000 {
        toolcrib.file(&format!("many/{index}.wasm"), "");
    }
    let output = toolcrib.run(&["inspect", "many"]);
    let words: &[&str] = &["`many` names more than 10000 files", "smaller directory"];
    check("many", &output, FAILED, &[words]);
}

#[test]
fn components_of_a_directory_are_sorted_by_name() {
    let toolcrib = Toolcrib::new();
    let mut names = ["d", "a", "c", "e", "b"];
    for name in names {
        toolcrib.write(name, &Guest::saying(name, name).component());
    }
    names.sort_unstable();
    let output = toolcrib.run(&["inspect", "--json", "."]);
    let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let found: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, names);
}

#[test]
fn conflicting_components_and_settings_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("first", &hello());
    toolcrib.write("second", &hello());
    let output = toolcrib.run(&["check", "--no-auth", "."]);
    check(
        "one name",
        &output,
        FAILED,
        &[&["`hello`", "`first`", "`second`", "prefix"]],
    );

    // The suggested prefix resolves the conflict.
    toolcrib.file(
        "toolcrib.toml",
        "components = [\".\"]\n[[component]]\nref = \"second.wasm\"\nprefix = \"second_\"\n",
    );
    let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (0, "ok: 2 tools from 2 components\n")
    );

    let prefix = "p".repeat(60);
    toolcrib.file(
        "toolcrib.toml",
        format!("[[component]]\nref = \"second.wasm\"\nprefix = \"{prefix}\"\n"),
    );
    let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    check(
        "long",
        &output,
        FAILED,
        &[&["`second`", &format!("{prefix}hello"), "another prefix"]],
    );

    // Settings for missing tools, settings for one component that apply to several, and invalid scopes.
    for (text, status, words) in [
        (
            "ref = \"first.wasm\"\n[component.tool.nothing]\nscopes = [\"x\"]",
            USAGE,
            &["`first` has no tool `nothing`", "it has `hello`"][..],
        ),
        (
            "ref = \"*.wasm\"\nname = \"all\"",
            USAGE,
            &["`*.wasm` names 2", "for one"],
        ),
        (
            "ref = \"first.wasm\"\nscopes = [\"a b\"]",
            USAGE,
            &["scopes", "\"a b\""],
        ),
        (
            "ref = \"first.wasm\"\nscopes = [\"offline_access\"]",
            USAGE,
            &["scopes", "offline_access"],
        ),
        (
            "ref = \"first.wasm\"\n[component.tool.hello]\nscpes = []",
            USAGE,
            &["scpes", "did you mean `scopes`?"],
        ),
    ] {
        toolcrib.file("toolcrib.toml", format!("[[component]]\n{text}\n"));
        // Cases with both components also report their name conflict, after the expected line.
        let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
        let lines: Vec<_> = output.stderr.lines().take(1).map(String::from).collect();
        let first = CommandOutput {
            stderr: lines.concat(),
            ..output
        };
        check(text, &first, status, &[words]);
    }
}
