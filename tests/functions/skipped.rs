//! Exports that cannot be tools: they are skipped and reported with the reason, and the others are served.

use serde_json::{Value, json};

use super::{MEMORY, component_with_memory};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, component_from_wit};

/// Runs `inspect --json`. Returns the names of the tools, and the name and reason of each skipped export.
fn inspect(component: &[u8]) -> (Vec<String>, Vec<(String, String)>) {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", component);
    let output = toolcrib.run(&["inspect", &path, "--json"]);
    assert_eq!(output.status, 0, "{output:?}");
    let all: Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tools = all[0]["tools"].as_array().unwrap();
    let skipped = all[0]["skipped"].as_array().unwrap();
    (
        tools.iter().map(|tool| text(&tool["name"])).collect(),
        skipped
            .iter()
            .map(|skipped| (text(&skipped["export"]), text(&skipped["reason"])))
            .collect(),
    )
}

/// Checks tools and skipped exports. `skipped` has the name of each export and part of the reason, in order.
fn check(component: &[u8], tools: &[&str], skipped: &[(&str, &str)]) {
    let (found_tools, found_skipped) = inspect(component);
    assert_eq!(found_tools, tools);
    let exports: Vec<_> = found_skipped
        .iter()
        .map(|(export, _)| export.as_str())
        .collect();
    let expected: Vec<_> = skipped.iter().map(|(export, _)| *export).collect();
    assert_eq!(exports, expected, "{found_skipped:?}");
    for ((export, reason), (_, words)) in found_skipped.iter().zip(skipped) {
        assert!(reason.contains(words), "{export}: {reason}");
    }
}

#[test]
fn functions_whose_resources_cannot_be_made_are_skipped() {
    let wit = "
        world guest {
          export add: func(a: u32, b: u32) -> u32;
          export things: interface {
            resource thing {
              size: func() -> u32;
              count: static func() -> u32;
            }
            make: func() -> thing;
            weigh: func(what: list<borrow<thing>>) -> u32;
            total: func() -> u32;
          }
        }";
    let module = format!(
        r#"(module
          (import "[export]things" "[resource-new]thing" (func $new (param i32) (result i32)))
          {MEMORY}
          (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
          (func (export "things#[method]thing.size") (param i32) (result i32) (local.get 0))
          (func (export "things#[static]thing.count") (result i32) (i32.const 0))
          (func (export "things#make") (result i32) (call $new (i32.const 1)))
          (func (export "things#weigh") (param i32 i32) (result i32) (i32.const 0))
          (func (export "things#total") (result i32) (i32.const 3)))"#
    );
    check(
        &component_from_wit(wit, &module),
        &["add", "thing_count", "total"],
        &[
            ("things#[method]thing.size", "no exported constructor makes"),
            ("things#make", "it returns a resource"),
            ("things#weigh", "no exported constructor makes"),
        ],
    );
}

#[test]
fn wasi_interfaces_and_toolchain_exports_are_skipped() {
    let wit = "
        world guest {
          export run: func();
          export init: func(shim: string, script: string, entry-path: option<string>) -> u32;
          export wasi:cli/run@0.2.0;
          export exports: interface {
            record symbols { count: u32 }
            init: func(app-name: string, symbols: symbols, stub-wasi: bool) -> u32;
            other: func(app-name: string, symbols: symbols) -> u32;
          }
          export mine: interface { init: func(app-name: string, symbols: u32) -> u32; }
        }";
    let module = format!(
        r#"(module {MEMORY}
          (func (export "run"))
          (func (export "init") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0))
          (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0))
          (func (export "exports#init") (param i32 i32 i32 i32) (result i32) (i32.const 0))
          (func (export "exports#other") (param i32 i32 i32) (result i32) (i32.const 0))
          (func (export "mine#init") (param i32 i32 i32) (result i32) (i32.const 0)))"#
    );
    check(
        &component_from_wit(wit, &module),
        &["init", "other", "run"],
        &[
            ("init", "componentize-qjs"),
            ("wasi:cli/run@0.2.0#run", "WASI"),
            ("exports#init", "componentize-py"),
        ],
    );
}

/// Only the signature of a toolchain's `init` is skipped.
#[test]
fn an_init_function_of_the_author_is_a_tool() {
    let module = component_with_memory(
        "export init: func(shim: u32, size: u32) -> u32;",
        r#"(func (export "init") (param i32 i32) (result i32) (i32.const 0))"#,
    );
    check(&module, &["init"], &[]);
}

#[test]
fn functions_beyond_the_limits_of_types_and_schemas_are_skipped() {
    let nested = |outer: &str, levels| format!("{}u32{}", outer.repeat(levels), ">".repeat(levels));
    let deep = nested("list<", 31);
    let (deeper, deepest) = (nested("tuple<", 31), nested("list<", 32));
    let options = nested("option<", 31);
    // Each type contains the previous one twice.
    let doubled: String = (1..=12)
        .map(|level| format!("record d{level} {{ a: d{0}, b: d{0} }}", level - 1))
        .collect();
    let names: String = (0..1_000)
        .map(|n| format!("name-of-a-case-number-n{n},"))
        .collect();
    let fields: String = (0..10).map(|n| format!("f{n}: many,")).collect();
    let world = format!(
        "type d0 = list<u32>; {doubled}
         enum many {{ {names} }}
         record too-much {{ {fields} }}
         export fits: func(x: {deep});
         export deeper: func(x: {deeper});
         export deepest: func(x: {deepest});
         export options: func(x: {options});
         export doubled: func(x: list<d12>);
         export wordy: func(x: many);
         export too-wordy: func(x: too-much);"
    );
    let functions = r#"
        (func (export "fits") (param i32 i32))
        (func (export "deeper") (param i32))
        (func (export "deepest") (param i32 i32))
        (func (export "options") (param i32))
        (func (export "doubled") (param i32 i32))
        (func (export "wordy") (param i32))
        (func (export "too-wordy") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))"#;
    check(
        &component_with_memory(&world, functions),
        &["fits", "wordy"],
        &[
            ("deeper", "its input schema is nested"),
            ("deepest", "its types nest deeper than 32 levels"),
            (
                "options",
                "its input schema is nested 126 levels deep; 64 are allowed",
            ),
            ("doubled", "its types have more than 5000 parts"),
            ("too-wordy", "its input schema is longer than"),
        ],
    );

    // Limits of a whole component: the number of functions, and the size of all schemas.
    let functions = |count: usize, parameter: &str| {
        let world: String = (0..count)
            .map(|n| format!("export call{n}: func({parameter});"))
            .collect();
        let flat = if parameter.is_empty() {
            ""
        } else {
            "(param i32)"
        };
        let module: String = (0..count)
            .map(|n| format!(r#"(func (export "call{n}") {flat})"#))
            .collect();
        (world, format!("(module {module})"))
    };
    let (world, module) = functions(1_002, "");
    let (tools, skipped) = inspect(&component(&world, &module));
    assert_eq!((tools.len(), skipped.len()), (1_000, 2));
    assert!(skipped[0].1.contains("1000 functions"), "{skipped:?}");
    let (world, module) = functions(200, "x: many");
    let world = format!("enum many {{ {names} }} {world}");
    let (tools, skipped) = inspect(&component(&world, &module));
    assert!(tools.len() > 100, "{}", tools.len());
    assert_eq!(tools.len() + skipped.len(), 200);
    assert!(
        skipped[0].1.contains("schemas of the component"),
        "{skipped:?}"
    );
}

/// The error lists the reasons.
#[test]
fn components_without_any_tool_are_rejected() {
    let toolcrib = Toolcrib::new();
    let newer = component_from_wit(
        "world guest { export toolcrib:mcp/tool@0.7.0; }
         package toolcrib:mcp@0.7.0 { interface tool { run: func(); } }",
        r#"(module (func (export "toolcrib:mcp/tool@0.7.0#run")))"#,
    );
    let many: String = (0..8)
        .map(|n| format!("make{n}: func() -> thing;"))
        .collect();
    let makers: String = (0..8)
        .map(|n| format!(r#"(func (export "things#make{n}") (result i32) unreachable)"#))
        .collect();
    let resources = component(
        &format!("export things: interface {{ resource thing; {many} }}"),
        &format!("(module {makers})"),
    );
    let empty = component("", "(module)");
    let later = component(
        "export f: func(x: stream<u8>);",
        r#"(module (func (export "f") (param i32)))"#,
    );
    let asynchronous = component_from_wit(
        "world guest { export wasi:cli/run@0.3.0; }
         package wasi:cli@0.3.0 { interface run { run: async func() -> result; } }",
        r#"(module (func (export "wasi:cli/run@0.3.0#run") (result i32) (i32.const 0)))"#,
    );
    let importing = component_from_wit(
        "world guest { import wasi:random/random@0.3.0; export f: func(); }
         package wasi:random@0.3.0 { interface random { get-random-u64: func() -> u64; } }",
        r#"(module
          (import "wasi:random/random@0.3.0" "get-random-u64" (func (result i64)))
          (func (export "f")))"#,
    );
    for (name, component, words) in [
        (
            "newer",
            newer,
            &["`toolcrib:mcp/tool@0.7.0`: this host has another version"][..],
        ),
        (
            "resources",
            resources,
            &[
                "(`things#make0`, `things#make1`, ",
                "`things#make4` and 3 more: it returns a resource, which ends with its call)",
            ],
        ),
        (
            "later",
            later,
            &[
                "asynchronous functions of WASI 0.3",
                "build it for WASI 0.2 (in Rust, `--target wasm32-wasip2`)",
            ],
        ),
        (
            "asynchronous",
            asynchronous,
            &["asynchronous functions of WASI 0.3", "wasm32-wasip2"],
        ),
        (
            "importing",
            importing,
            &[
                "it imports `wasi:random/random@0.3.0`, which is of WASI 0.3; set `preview3 = true` in [wasi]",
                "wasm32-wasip2",
            ],
        ),
        (
            "empty",
            empty,
            &["it exports no function that can be a tool; build it for the world"],
        ),
    ] {
        let path = toolcrib.write(name, &component);
        for command in [
            &["inspect", &path][..],
            &["check", &path],
            &["call", &path, "x"],
            &["serve", &path, "--no-auth"],
        ] {
            let output = toolcrib.run(command);
            assert_eq!(output.status, 1, "{output:?}");
            assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
            for words in words {
                assert!(
                    output.stderr.contains(words),
                    "{command:?}: {}",
                    output.stderr
                );
            }
        }
    }
}

#[test]
fn skipped_exports_are_printed() {
    let toolcrib = Toolcrib::new();
    let component = component(
        "export add: func(a: u32, b: u32) -> u32;
         export things: interface { resource thing; make: func() -> thing; }",
        r#"(module
          (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
          (func (export "things#make") (result i32) unreachable))"#,
    );
    let path = toolcrib.write("guest", &component);
    let output = toolcrib.run(&["inspect", &path]);
    for line in [
        "  skipped  things#make: it returns a resource, which ends with its call",
        "  add",
        "    Calls the function `add`. In WIT: `add: func(a: u32, b: u32) -> u32`",
    ] {
        assert!(
            output.stdout.lines().any(|found| found == line),
            "{}",
            output.stdout
        );
    }
    // Without skipped exports the output does not mention them.
    let path = toolcrib.write(
        "plain",
        &component_with_memory("export f: func();", r#"(func (export "f"))"#),
    );
    let output = toolcrib.run(&["inspect", &path]);
    assert!(!output.stdout.contains("skipped"), "{}", output.stdout);
    let output = toolcrib.run(&["call", &path, "f", "{}", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&output.stdout).unwrap()["content"],
        json!([])
    );
}
