//! Sentences about files that are components of a kind that the host does not serve, and `inspect` of several files.

use super::{assert_refused, inspect};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, component, component_from_wit};

#[test]
fn the_sentence_names_the_kind_and_the_way_out() {
    let toolcrib = Toolcrib::new();
    let text = |text: &str| wat::parse_str(text).unwrap();
    let mut draft = text("(component)");
    draft[4] = 0x0c;
    for (name, bytes, words) in [
        (
            "package",
            text(r#"(component (type (component (export "f" (func)))) (export "a" (type 0)))"#),
            "it is a WIT package, which holds types only; build a component that implements it",
        ),
        (
            "draft",
            draft,
            "it was made for a draft of components from 2023; build it again",
        ),
        (
            "earlier",
            text("(component (type (record)))"),
            "it was made by tools of 2023, with types that components no longer have",
        ),
        (
            "empty",
            text("(component)"),
            "it exports no function that can be a tool; build it for the world",
        ),
        (
            "invalid",
            text("(component (type (flags \"a\" \"a\")))"),
            "it is not a valid component: flag name `a` conflicts with previous flag name `a`",
        ),
        (
            "collected",
            text(
                "(component (core module (type (struct (field i32))) (func (result (ref null 0)) ref.null 0)))",
            ),
            "it uses garbage collection (GC)",
        ),
        (
            "exceptions",
            text("(component (core module (tag) (func (throw 0))))"),
            "it uses exceptions, which this host does not have; build it without",
        ),
        (
            "threads",
            text("(component (core module (memory 1 1 shared)))"),
            "it uses threads, which this host does not have",
        ),
    ] {
        let path = toolcrib.write(name, &bytes);
        assert_refused(&toolcrib.run(&["inspect", &path]), &[words]);
    }
    // Each reason occurs once.
    let path = toolcrib.write(
        "makers",
        &component_from_wit(
            "world guest {
               export things: interface { resource thing; a: func() -> thing; b: func() -> thing; }
             }",
            r#"(module
              (func (export "things#a") (result i32) unreachable)
              (func (export "things#b") (result i32) unreachable))"#,
        ),
    );
    let words =
        "(`things#a` and `things#b`: it returns a resource, which ends with its call); build";
    assert_refused(&toolcrib.run(&["inspect", &path]), &[words]);
    // Types beside a function.
    let path = toolcrib.write(
        "types",
        &component_from_wit(
            "world guest { export things: interface { record thing { id: u32 } id: func(thing: thing) -> u32; } }",
            r#"(module (func (export "things#id") (param i32) (result i32) (local.get 0)))"#,
        ),
    );
    assert_eq!(inspect(&toolcrib, &[&path])["tools"][0]["name"], "id");
}

/// The good components are shown, and the reasons for the others.
#[test]
fn a_directory_is_inspected_as_a_whole() {
    let toolcrib = Toolcrib::new();
    let dir = toolcrib.path().join("tools");
    std::fs::create_dir(&dir).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
    write("first.wasm", &Guest::saying("hello", "hello").component());
    let inspect = |arguments: &[&str]| {
        toolcrib.run(&[&["inspect", dir.to_str().unwrap()], arguments].concat())
    };
    let output = inspect(&[]);
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (0, ""),
        "{output:?}"
    );
    write("broken.wasm", b"\0asm");
    write(
        "lacking.wasm",
        &component(
            "import nowhere: func(); export f: func();",
            r#"(module (import "$root" "nowhere" (func)) (func (export "f")))"#,
        ),
    );
    let output = inspect(&[]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stdout.starts_with("first\n"), "{output:?}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(
        lines[0].contains("broken.wasm`: ")
            && lines[1].contains("lacking.wasm`: it imports `nowhere`"),
        "{lines:?}"
    );
    let output = inspect(&["--json"]);
    assert_eq!(output.status, 1, "{output:?}");
    let shown: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    // Of two tools with one name, both are shown.
    std::fs::remove_file(dir.join("broken.wasm")).unwrap();
    std::fs::remove_file(dir.join("lacking.wasm")).unwrap();
    write("second.wasm", &Guest::saying("hello", "hello").component());
    let output = inspect(&[]);
    assert_ne!(output.status, 0, "{output:?}");
    assert_eq!(
        output.stdout.matches("\n  hello\n").count(),
        2,
        "{output:?}"
    );
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    for words in ["`hello`", "`first`", "`second`"] {
        assert!(output.stderr.contains(words), "{output:?}");
    }
}

/// A line for each of them would hide the result.
#[test]
fn a_call_does_not_list_skipped_exports() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write(
        "guest",
        &component(
            "export add: func(a: u32, b: u32) -> u32;
         export things: interface { resource thing; make: func() -> thing; }",
            r#"(module
          (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
          (func (export "things#make") (result i32) unreachable))"#,
        ),
    );
    let output = toolcrib.run(&["call", &path, "add", "a=1", "b=2"]);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("3\n", "")
    );
}
