//! The cost of a call of each kind of component, beside that of a tool of the contract. The guests do next to nothing.

use std::path::Path;

use serde_json::{Value, json};

use super::load::{Message, Rounds, Row, compare};
use super::process::Process;
use super::support::guest::adder::{ADD, adder, compute};
use super::support::guest::{Guest, component_from_wit};

/// Imports and functions of HTTP handlers.
const HANDLER_PRELUDE: &str = include_str!("mounts/prelude.wat");

/// Measures all kinds on one connection.
pub(crate) async fn measure(dir: &Path, rounds: Rounds) {
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(dir.join(name), bytes).unwrap();
    write("tool.wasm", Guest::saying("tool", "5").component());
    write("function.wasm", function());
    write("command.wasm", command());
    write("compute.wasm", compute());
    write("adder.wasm", adder(ADD));
    write("counter.wasm", counter());
    write("lacking.wasm", lacking());
    write("hook.wasm", handler());
    let row = |name, settings: &str, message| {
        let path = dir.join(format!("{name}.toml"));
        std::fs::write(&path, settings).unwrap();
        let server = Process::serve(["--no-auth", "--config", path.to_str().unwrap()]);
        Row::new(name, server, message)
    };
    let component = |file: &str| format!("[[component]]\nref = \"{file}.wasm\"\n");
    let call = |tool: &str, arguments: Value| Message::call(tool, arguments);
    let x = || json!({ "x": 4 });
    let rows = [
        row("tool", &component("tool"), call("tool", json!({}))),
        row("function", &component("function"), call("f", x())),
        row("command", &component("command"), call("command", json!({}))),
        row(
            "composition of two",
            &format!("{}with = [\"adder.wasm\"]", component("compute")),
            call("compute", x()),
        ),
        row(
            "method of a resource",
            &component("counter"),
            call("counter_get", json!({ "counter": x() })),
        ),
        row(
            "stubbed import",
            &format!("{}missing-imports = \"stub\"", component("lacking")),
            call("f", x()),
        ),
        row(
            "mount",
            "[[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"",
            Message::to_mount("/hook"),
        ),
    ];
    println!("\none call of each kind of component");
    compare(&rows, 1, rounds).await;
}

fn function() -> Vec<u8> {
    component_from_wit(
        "world guest { export f: func(x: u32) -> u32; }",
        r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))"#,
    )
}

fn command() -> Vec<u8> {
    component_from_wit(
        "world guest { export wasi:cli/run@0.2.0; }",
        r#"(module (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0)))"#,
    )
}

fn counter() -> Vec<u8> {
    component_from_wit(
        "world guest {
           export counters: interface { resource counter { constructor(x: u32); get: func() -> u32; } }
         }",
        r#"(module
          (import "[export]counters" "[resource-new]counter" (func $new (param i32) (result i32)))
          (func (export "counters#[constructor]counter") (param i32) (result i32) (call $new (local.get 0)))
          (func (export "counters#[method]counter.get") (param i32) (result i32) (local.get 0)))"#,
    )
}

fn lacking() -> Vec<u8> {
    component_from_wit(
        "world guest { import note: func(x: u32); export f: func(x: u32) -> u32; }",
        r#"(module
          (import "$root" "note" (func $note (param i32)))
          (func (export "f") (param i32) (result i32) (call $note (local.get 0)) (local.get 0)))"#,
    )
}

fn handler() -> Vec<u8> {
    component_from_wit(
        "world guest {
           import wasi:io/streams@0.2.0;
           import wasi:http/types@0.2.0;
           export wasi:http/incoming-handler@0.2.0;
         }",
        &format!(
            r#"(module {HANDLER_PRELUDE}
              (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32) (param $outparam i32)
                (local $stream i32)
                (local.set $stream (call $start (local.get $outparam) (i32.const 200)))
                (drop (call $write (local.get $stream) (i32.const 64) (i32.const 5)))
                (call $end (local.get $stream))))"#
        ),
    )
}
