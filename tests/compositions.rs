//! Compositions: a component whose imports the exports of others satisfy, served as one component.

mod calls;
mod refusals;
mod reload;
mod signatures;

use serde_json::Value;

use crate::support::command::Toolcrib;
use crate::support::guest::component_from_wit;

/// The interface between the parts.
const ADDER: &str = "
    package docs:adder@0.1.0 {
      interface add { add: func(a: u32, b: u32) -> u32; }
    }";

/// A configuration that composes `compute.wasm` with `adder.wasm`.
const CONFIGURATION: &str = "[[component]]\nref = \"compute.wasm\"\nwith = [\"adder.wasm\"]\n";

/// Returns a component with the function `compute`, which adds 1 to its argument with the imported `add`.
pub(crate) fn compute() -> Vec<u8> {
    component_from_wit(
        &format!(
            "{ADDER}
             world guest {{ import docs:adder/add@0.1.0; export compute: func(x: u32) -> u32; }}"
        ),
        r#"(module
          (import "docs:adder/add@0.1.0" "add" (func $add (param i32 i32) (result i32)))
          (func (export "compute") (param i32) (result i32)
            (call $add (local.get 0) (i32.const 1))))"#,
    )
}

/// Returns a component that exports `add` with this body.
pub(crate) fn adder(body: &str) -> Vec<u8> {
    component_from_wit(
        &format!("{ADDER} world guest {{ export docs:adder/add@0.1.0; }}"),
        &format!(
            r#"(module
              (memory 1)
              (global $calls (mut i32) (i32.const 0))
              (func (export "docs:adder/add@0.1.0#add") (param i32 i32) (result i32) {body}))"#
        ),
    )
}

const ADD: &str = "(i32.add (local.get 0) (local.get 1))";

/// Returns a directory with `compute.wasm`, `adder.wasm` and a configuration that composes them.
fn composed(adder: &[u8]) -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("compute", &compute());
    toolcrib.write("adder", adder);
    toolcrib.file("toolcrib.toml", CONFIGURATION);
    toolcrib
}

/// Runs `inspect --json` with the configuration; returns the components.
fn inspect(toolcrib: &Toolcrib, reference: &str) -> Vec<Value> {
    let arguments = ["inspect", reference, "--config", "toolcrib.toml", "--json"];
    let output = toolcrib.run(&arguments);
    assert_eq!(output.status, 0, "{output:?}");
    let components: Value = serde_json::from_str(&output.stdout).unwrap();
    components.as_array().unwrap().clone()
}
