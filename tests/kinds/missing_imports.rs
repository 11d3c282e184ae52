//! Imports that the host lacks: the component is refused before it is compiled, or stubs take their place.

use serde_json::json;

use super::{assert_refused, inspect};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, component_from_wit};

const STUB: &str = "[[component]]\nref = \"guest.wasm\"\nmissing-imports = \"stub\"\n";

/// A component that imports two interfaces that no host has, and one of types alone.
fn lacking() -> Vec<u8> {
    component_from_wit(
        "package acme:db@1.0.0 {
           interface kinds { record row { id: u32 } }
           interface store {
             use kinds.{row};
             resource table {
               constructor(name: string);
               rows: func() -> list<row>;
             }
             count: func() -> u32;
             note: func(text: string, row: row);
           }
         }
         package acme:metrics@0.3.1 {
           interface counter { add: func(name: string, by: u64); }
         }
         world guest {
           import acme:db/kinds@1.0.0;
           import acme:db/store@1.0.0;
           import acme:metrics/counter@0.3.1;
           import trace: func(text: string);
           export quiet: func() -> u32;
           export counts: func() -> u32;
           export opens: func();
         }",
        r#"(module
          (import "acme:db/store@1.0.0" "count" (func $count (result i32)))
          (import "acme:db/store@1.0.0" "note" (func $note (param i32 i32 i32)))
          (import "acme:db/store@1.0.0" "[constructor]table" (func $open (param i32 i32) (result i32)))
          (import "acme:metrics/counter@0.3.1" "add" (func $add (param i32 i32 i64)))
          (import "$root" "trace" (func $trace (param i32 i32)))
          (memory (export "memory") 1)
          (func (export "quiet") (result i32)
            (call $trace (i32.const 0) (i32.const 3))
            (call $note (i32.const 0) (i32.const 3) (i32.const 1))
            (call $add (i32.const 0) (i32.const 3) (i64.const 1))
            (i32.const 7))
          (func (export "counts") (result i32) (call $count))
          (func (export "opens") (drop (call $open (i32.const 0) (i32.const 3)))))"#,
    )
}

#[test]
fn a_refusal_lists_all_imports_before_anything_is_compiled() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &lacking());
    for command in ["inspect", "check"] {
        let output = toolcrib.run(&[command, &path]);
        assert_refused(
            &output,
            &[
                "`acme:db/store@1.0.0`, `acme:metrics/counter@0.3.1` and `trace`, which this host does not have",
                "`missing-imports = \"stub\"`",
            ],
        );
        assert!(!output.stderr.contains("acme:db/kinds"), "{output:?}");
    }
    // The cache of compiled components is below the home directory.
    let compiled = |toolcrib: &Toolcrib| {
        let cache = toolcrib.path().join(".cache");
        let dirs = std::fs::read_dir(cache.join("toolcrib")).into_iter();
        dirs.flatten().count()
    };
    assert_eq!(compiled(&toolcrib), 0);
    // The good twin.
    let path = toolcrib.write(
        "types",
        &component_from_wit(
            "package acme:db@1.0.0 { interface kinds { record row { id: u32 } } }
             world guest { use acme:db/kinds@1.0.0.{row}; export id: func(row: row) -> u32; }",
            r#"(module (func (export "id") (param i32) (result i32) (local.get 0)))"#,
        ),
    );
    let output = toolcrib.run(&["call", &path, "id", r#"{"row": {"id": 5}}"#]);
    assert_eq!(output.stdout, "5\n", "{output:?}");
    assert!(compiled(&toolcrib) > 0);
}

#[test]
fn the_sentence_about_imports_of_wasi_names_its_version() {
    let toolcrib = Toolcrib::new();
    let importing = |package: &str, import: &str| {
        component_from_wit(
            &format!(
                "package {package} {{ interface random {{ get: func() -> u64; }} }}
                 world guest {{ import {import}; export f: func(); }}"
            ),
            &format!(
                r#"(module (import "{import}" "get" (func (result i64))) (func (export "f")))"#
            ),
        )
    };
    for (name, package, import, words) in [
        (
            "dated",
            "wasi:random@0.2.0-rc-2023-11-10",
            "wasi:random/random@0.2.0-rc-2023-11-10",
            "of a preview of WASI from before its release in 2024",
        ),
        (
            "unversioned",
            "wasi:random",
            "wasi:random/random",
            "of a preview of WASI from before its release in 2024",
        ),
        (
            "later",
            "wasi:random@0.3.0",
            "wasi:random/random@0.3.0",
            "which is of WASI 0.3; set `preview3 = true` in [wasi]",
        ),
        (
            "other",
            "wasi:nn@0.2.0-rc-2024-10-28",
            "wasi:nn/random@0.2.0-rc-2024-10-28",
            "which this host does not have",
        ),
    ] {
        let path = toolcrib.write(name, &importing(package, import));
        let output = toolcrib.run(&["inspect", &path]);
        assert_refused(&output, &[&format!("it imports `{import}`"), words]);
    }
    // Stubs do not help without another build.
    let text = r#"(component
      (import "acme:db/store" (instance (export "count" (func (result u32)))))
      (import "wasi:random/random@0.3.0" (instance (export "get-random-u64" (func (result u64))))))"#;
    let path = toolcrib.write("mixed", &wat::parse_str(text).unwrap());
    let words = [
        "it imports `acme:db/store` and `wasi:random/random@0.3.0`, which this host does not have",
        "build it for WASI 0.2 (in Rust, `--target wasm32-wasip2`), and if its tools work without the others, set",
    ];
    assert_refused(&toolcrib.run(&["inspect", &path]), &words);
}

/// Functions without a result do nothing; others fail with a sentence that names the import.
#[tokio::test]
async fn stubs_take_the_place_of_missing_imports() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &lacking());
    toolcrib.file("toolcrib.toml", STUB);
    let config = ["--config", "toolcrib.toml"];
    let call = |tool| toolcrib.run(&[&["call", "guest.wasm", tool], &config[..]].concat());
    let output = call("quiet");
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (0, "7\n"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("missing imports replaced by stubs"),
        "{output:?}"
    );
    for (tool, import) in [
        (
            "counts",
            "`acme:db/store@1.0.0#count`, which this host does not have",
        ),
        ("opens", "`acme:db/store@1.0.0#[constructor]table`"),
    ] {
        let output = call(tool);
        assert_eq!(output.status, 1, "{output:?}");
        assert!(output.stderr.contains(import), "{output:?}");
    }
    let described = inspect(&toolcrib, &["guest.wasm", "--config", "toolcrib.toml"]);
    let stubbed = json!(["acme:db/store@1.0.0", "acme:metrics/counter@0.3.1", "trace"]);
    assert_eq!(described["stubbed"], stubbed);
    let output = toolcrib.run(&[&["inspect", "guest.wasm"], &config[..]].concat());
    assert!(
        output
            .stdout
            .contains("  stub     acme:metrics/counter@0.3.1: the host does not have it"),
        "{output:?}"
    );
    let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    assert!(
        output
            .stdout
            .contains("guest: acme:db/store@1.0.0 is a stub"),
        "{output:?}"
    );
    toolcrib.file("toolcrib.toml", STUB.replace("\"stub\"", "\"ignore\""));
    let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(
        output
            .stderr
            .contains("`component[0].missing-imports` must be \"refuse\" or \"stub\""),
        "{output:?}"
    );
}

/// A handle that a stub receives is released, so that a guest can pass as many as it likes.
#[tokio::test]
async fn stubs_release_the_handles_that_they_receive() {
    let bytes = component_from_wit(
        "package acme:queue@1.0.0 {
           interface jobs {
             use wasi:io/poll@0.2.0.{pollable};
             lend: func(when: list<borrow<pollable>>);
             give: func(when: option<own<pollable>>);
           }
         }
         world guest {
           import wasi:clocks/monotonic-clock@0.2.0;
           import acme:queue/jobs@1.0.0;
           export many: func() -> u32;
         }",
        r#"(module
          (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
          (import "acme:queue/jobs@1.0.0" "lend" (func $lend (param i32 i32)))
          (import "acme:queue/jobs@1.0.0" "give" (func $give (param i32 i32)))
          (memory (export "memory") 1)
          (func (export "many") (result i32)
            (local $n i32) (local $timer i32)
            (loop $again
              (local.set $timer (call $timer (i64.const 1)))
              (i32.store (i32.const 16) (local.get $timer))
              (i32.store (i32.const 20) (local.get $timer))
              (call $lend (i32.const 16) (i32.const 2))
              (call $give (i32.const 1) (local.get $timer))
              (local.set $n (i32.add (local.get $n) (i32.const 1)))
              (br_if $again (i32.lt_u (local.get $n) (i32.const 3000))))
            (local.get $n)))"#,
    );
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &bytes);
    toolcrib.file("toolcrib.toml", STUB);
    let output = toolcrib.run(&["call", "guest.wasm", "many", "--config", "toolcrib.toml"]);
    assert_eq!(output.stdout, "3000\n", "{output:?}");
}

/// Such parameters would take many times the memory that the engine counts for them.
#[test]
fn functions_with_many_short_flags_cannot_be_stubs() {
    let flags = |names: &[String]| {
        component_from_wit(
            &format!(
                "package acme:db@1.0.0 {{
                   interface store {{ flags marks {{ {} }} put: func(marks: list<marks>); }}
                 }}
                 world guest {{ import acme:db/store@1.0.0; export f: func(); }}",
                names.join(", ")
            ),
            r#"(module
              (import "acme:db/store@1.0.0" "put" (func $put (param i32 i32)))
              (memory (export "memory") 1)
              (func (export "f")))"#,
        )
    };
    let toolcrib = Toolcrib::new();
    toolcrib.file("toolcrib.toml", STUB);
    let inspect = ["inspect", "guest.wasm", "--config", "toolcrib.toml"];
    let short: Vec<_> = ('a'..='z').map(|letter| format!("{letter}")).collect();
    toolcrib.write("guest", &flags(&short));
    let words = [
        "`acme:db/store@1.0.0#put` cannot be a stub",
        "many flags with short names",
    ];
    assert_refused(&toolcrib.run(&inspect), &words);
    let long: Vec<_> = ('a'..='h')
        .map(|letter| format!("marked-as-{letter}"))
        .collect();
    toolcrib.write("guest", &flags(&long));
    let output = toolcrib.run(&inspect);
    assert_eq!(output.status, 0, "{output:?}");
}

/// The interfaces that the host has, each with a version older than the host's: none is taken for a missing one.
#[test]
fn no_interface_of_the_host_counts_as_missing() {
    let interfaces = [
        "cli/environment cli/exit cli/stderr cli/stdin cli/stdout cli/terminal-input cli/terminal-output",
        "cli/terminal-stderr cli/terminal-stdin cli/terminal-stdout clocks/monotonic-clock clocks/wall-clock",
        "filesystem/preopens filesystem/types http/outgoing-handler http/types io/error io/poll io/streams",
        "random/insecure-seed random/insecure random/random sockets/instance-network sockets/ip-name-lookup",
        "sockets/network sockets/tcp-create-socket sockets/tcp sockets/udp-create-socket sockets/udp",
    ];
    let names = interfaces.iter().flat_map(|line| line.split(' '));
    let names = names.map(|name| format!("wasi:{name}@0.2.1"));
    let others = [
        "wasi:config/store@0.2.0-rc.1",
        "wasi:keyvalue/atomics@0.2.0-draft",
        "wasi:keyvalue/batch@0.2.0-draft",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:logging/logging@0.1.0-draft",
        "wasi:logging/logging",
        "toolcrib:mcp/call@0.1.0",
    ];
    let toolcrib = Toolcrib::new();
    // The engine finds the interfaces, and the function is in none of them.
    let imports = names
        .chain(others.map(str::to_owned))
        .map(|name| format!(r#"(import "{name}" (instance (export "no-such-function" (func))))"#));
    let text = format!("(component {})", imports.collect::<String>());
    let path = toolcrib.write("guest", &wat::parse_str(text).unwrap());
    let output = toolcrib.run(&["inspect", &path]);
    assert_refused(
        &output,
        &[
            "it imports `no-such-function` of `",
            "which this host's version of the interface does not have; build it with the released WIT",
        ],
    );
    assert!(!output.stderr.contains("missing-imports"), "{output:?}");
    // The bad twin: a function of its own makes any other interface a missing one.
    let path = toolcrib.write(
        "guest",
        &component(
            "import nowhere: func(); export f: func();",
            r#"(module (import "$root" "nowhere" (func)) (func (export "f")))"#,
        ),
    );
    assert_refused(
        &toolcrib.run(&["inspect", &path]),
        &["`nowhere`, which this host does not have"],
    );
}

/// A resource is missing like a function, unless it is one of an import that the host has.
#[test]
fn resources_count_as_missing() {
    let resources = component_from_wit(
        "package acme:db@1.0.0 { interface handles { resource table; } }
         world guest {
           use acme:db/handles@1.0.0.{table};
           resource tree;
           export rows: func(table: borrow<table>) -> u32;
           export leaves: func(tree: borrow<tree>) -> u32;
           export quiet: func() -> u32;
         }",
        r#"(module
          (func (export "rows") (param i32) (result i32) (i32.const 1))
          (func (export "leaves") (param i32) (result i32) (i32.const 2))
          (func (export "quiet") (result i32) (i32.const 7)))"#,
    );
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &resources);
    assert_refused(
        &toolcrib.run(&["inspect", &path]),
        &["it imports `acme:db/handles@1.0.0` and `tree`, which this host does not have"],
    );
    toolcrib.file("toolcrib.toml", STUB);
    let output = toolcrib.run(&["call", "guest.wasm", "quiet", "--config", "toolcrib.toml"]);
    assert_eq!(output.stdout, "7\n", "{output:?}");
    // The good twin.
    let path = toolcrib.write(
        "types",
        &component_from_wit(
            "package acme:db@1.0.0 {
               interface kinds { use wasi:io/poll@0.2.0.{pollable}; record row { id: u32, at: borrow<pollable> } }
             }
             world guest {
               use acme:db/kinds@1.0.0.{row};
               export id: func(row: row) -> u32;
               export quiet: func() -> u32;
             }",
            r#"(module
              (func (export "id") (param i32 i32) (result i32) (local.get 0))
              (func (export "quiet") (result i32) (i32.const 7)))"#,
        ),
    );
    let output = toolcrib.run(&["call", &path, "quiet"]);
    assert_eq!(output.stdout, "7\n", "{output:?}");
}

/// The interfaces of a draft of WASI have other types under the same names.
#[test]
fn imports_of_another_type_are_named() {
    let toolcrib = Toolcrib::new();
    let text = r#"(component
      (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u32))))))"#;
    let path = toolcrib.write("guest", &wat::parse_str(text).unwrap());
    assert_refused(
        &toolcrib.run(&["inspect", &path]),
        &[
            "it imports `get-random-u64` of `wasi:random/random@0.2.0` with another type than the host's (",
            "build it with the released WIT",
        ],
    );
}
