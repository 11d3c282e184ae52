//! Compositions: a component whose imports the exports of others satisfy, served as one component.

mod calls;
mod refusals;
mod reload;
mod remote;
mod signatures;

use serde_json::Value;

use crate::support::command::Toolcrib;
pub(crate) use crate::support::guest::adder::{ADD, ADDER, adder, compute};

/// A configuration that composes `compute.wasm` with `adder.wasm`.
const CONFIGURATION: &str = "[[component]]\nref = \"compute.wasm\"\nwith = [\"adder.wasm\"]\n";

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
