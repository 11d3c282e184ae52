//! Exports that are no tools: they are named with the reason, and the others are served.

use serde_json::{Value, json};

use super::{MEMORY, with_memory};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, packaged};

/// What `inspect --json` says of a component: the names of its tools, and what is skipped and why.
fn inspect(component: &[u8]) -> (Vec<String>, Vec<(String, String)>) {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", component);
    let ended = toolcrib.run(&["inspect", &path, "--json"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
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

/// `skipped` names exports and words of their reasons, in order.
fn check(component: &[u8], tools: &[&str], skipped: &[(&str, &str)]) {
    let (found, left_out) = inspect(component);
    assert_eq!(found, tools);
    let exports: Vec<_> = left_out.iter().map(|(export, _)| export.as_str()).collect();
    let wanted: Vec<_> = skipped.iter().map(|(export, _)| *export).collect();
    assert_eq!(exports, wanted, "{left_out:?}");
    for ((export, reason), (_, words)) in left_out.iter().zip(skipped) {
        assert!(reason.contains(words), "{export}: {reason}");
    }
}

#[test]
fn resources() {
    let wit = "
        world guest {
          export add: func(a: u32, b: u32) -> u32;
          export things: interface {
            resource thing {
              constructor(size: u32);
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
          (func (export "things#[constructor]thing") (param i32) (result i32) (call $new (local.get 0)))
          (func (export "things#[method]thing.size") (param i32) (result i32) (local.get 0))
          (func (export "things#[static]thing.count") (result i32) (i32.const 0))
          (func (export "things#make") (result i32) (call $new (i32.const 1)))
          (func (export "things#weigh") (param i32 i32) (result i32) (i32.const 0))
          (func (export "things#total") (result i32) (i32.const 3)))"#
    );
    check(
        &packaged(wit, &module),
        &["add", "total"],
        &[
            ("things#[constructor]thing", "it belongs to a resource"),
            ("things#[method]thing.size", "it belongs to a resource"),
            ("things#[static]thing.count", "it belongs to a resource"),
            ("things#make", "it uses a resource"),
            ("things#weigh", "it uses a resource"),
        ],
    );
}

/// Interfaces that other hosts call are no tools, and neither is what toolchains leave behind.
#[test]
fn what_is_for_others() {
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
        &packaged(wit, &module),
        &["init", "other", "run"],
        &[
            ("init", "componentize-qjs"),
            ("wasi:cli/run@0.2.0#run", "WASI"),
            ("exports#init", "componentize-py"),
        ],
    );
}

/// A function of an author's own is no one's leftover for its name.
#[test]
fn a_function_that_is_called_init() {
    let module = with_memory(
        "export init: func(shim: u32, size: u32) -> u32;",
        r#"(func (export "init") (param i32 i32) (result i32) (i32.const 0))"#,
    );
    check(&module, &["init"], &[]);
}

/// Types have their limits, and what is beyond them does not hold up the rest.
#[test]
fn limits() {
    let nested = |outer: &str, levels| format!("{}u32{}", outer.repeat(levels), ">".repeat(levels));
    let deep = nested("list<", 31);
    let (deeper, deepest) = (nested("tuple<", 31), nested("list<", 32));
    let options = nested("option<", 31);
    // Each type holds the one before it twice.
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
        &with_memory(&world, functions),
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

    // Many functions, and many words in all of them together.
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

/// What the host has no use for is no fault, but a component with nothing else is: the error lists why.
#[test]
fn nothing_is_left() {
    let toolcrib = Toolcrib::new();
    let command = packaged(
        "world guest { export wasi:cli/run@0.2.0; }",
        r#"(module (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0)))"#,
    );
    let newer = packaged(
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
    let asynchronous = packaged(
        "world guest { export wasi:cli/run@0.3.0; }
         package wasi:cli@0.3.0 { interface run { run: async func() -> result; } }",
        r#"(module (func (export "wasi:cli/run@0.3.0#run") (result i32) (i32.const 0)))"#,
    );
    let importing = packaged(
        "world guest { import wasi:random/random@0.3.0; export f: func(); }
         package wasi:random@0.3.0 { interface random { get-random-u64: func() -> u64; } }",
        r#"(module
          (import "wasi:random/random@0.3.0" "get-random-u64" (func (result i64)))
          (func (export "f")))"#,
    );
    for (name, component, words) in [
        (
            "command",
            command,
            &[
                "`wasi:cli/run@0.2.0#run`",
                "interfaces of WASI",
                "wit/tool.wit",
                "plain functions",
            ][..],
        ),
        (
            "newer",
            newer,
            &["`toolcrib:mcp/tool@0.7.0`: this host has another version"],
        ),
        (
            "resources",
            resources,
            &["`things#make0`: it uses a resource", "and 3 more"],
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
                "it imports `wasi:random/random@0.3.0`, which is of WASI 0.3",
                "wasm32-wasip2",
            ],
        ),
        (
            "empty",
            empty,
            &["neither `toolcrib:mcp/tool@0.1", "nor a function"],
        ),
    ] {
        let path = toolcrib.write(name, &component);
        for command in [
            &["inspect", &path][..],
            &["check", &path],
            &["call", &path, "x"],
            &["serve", &path, "--no-auth"],
        ] {
            let ended = toolcrib.run(command);
            assert_eq!(ended.status, 1, "{ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            for words in words {
                assert!(
                    ended.stderr.contains(words),
                    "{command:?}: {}",
                    ended.stderr
                );
            }
        }
    }
}

/// People see it too, and operators in the log.
#[test]
fn inspect_as_text() {
    let toolcrib = Toolcrib::new();
    let component = component(
        "export add: func(a: u32, b: u32) -> u32;
         export things: interface { resource thing; make: func() -> thing; }",
        r#"(module
          (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
          (func (export "things#make") (result i32) unreachable))"#,
    );
    let path = toolcrib.write("guest", &component);
    let ended = toolcrib.run(&["inspect", &path]);
    for line in [
        "  skipped  things#make: it uses a resource",
        "  add",
        "    Calls the function `add`. In WIT: `add: func(a: u32, b: u32) -> u32`",
    ] {
        assert!(
            ended.stdout.lines().any(|found| found == line),
            "{}",
            ended.stdout
        );
    }
    // The log has it where the component is used.
    let ended = toolcrib.run(&["call", &path, "add", r#"{"a":1,"b":2}"#]);
    assert_eq!(ended.stdout, "3\n");
    let said = |words| {
        ended
            .stderr
            .lines()
            .filter(|line| line.contains(words))
            .count()
    };
    assert_eq!(said("export skipped"), 1, "{ended:?}");
    assert_eq!(said("things#make"), 1, "{ended:?}");
    // Where nothing is skipped, nothing is said of it.
    let path = toolcrib.write(
        "plain",
        &with_memory("export f: func();", r#"(func (export "f"))"#),
    );
    let ended = toolcrib.run(&["inspect", &path]);
    assert!(!ended.stdout.contains("skipped"), "{}", ended.stdout);
    let ended = toolcrib.run(&["call", &path, "f", "{}", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["content"],
        json!([])
    );
}
