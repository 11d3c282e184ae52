//! Function components: exported WIT functions are tools. Their types become JSON schemas, values are converted without
//! loss, and calls have the same limits as those of tools of the contract.

mod amplification;
mod arguments;
mod call_limits;
mod compound_types;
mod descriptions;
mod mixed_exports;
mod names;
mod primitive_types;
mod random_resources;
mod random_stubs;
mod random_types;
pub(crate) mod resources;
mod results;
mod round_trip;
mod skipped;

use serde_json::Value;

use crate::support::guest::component;

/// A type with too many values for flat parameters. The canonical ABI then passes all parameters and results in memory,
/// and a guest can return the pointer that it received.
const PAD: &str = "type pad = option<tuple<u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32>>;";

/// A memory and a bump allocator.
const MEMORY: &str = r#"
    (memory (export "memory") 64)
    (global $heap (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $heap (i32.add (local.get $at) (local.get 3)))
      (local.get $at))"#;

/// Builds a component with a function `f0`, `f1`, … per type. It takes `x` of the type and returns it in a record.
///
/// Parameters and result have the same layout, so each function returns the pointer to its parameters.
fn echo_component(definitions: &str, types: &[&str]) -> Vec<u8> {
    let mut world = format!("{PAD}{definitions}");
    let mut module = String::new();
    for (index, ty) in types.iter().enumerate() {
        world.push_str(&format!(
            "record r{index} {{ x: {ty}, pad: pad }} export f{index}: func(x: {ty}, pad: pad) -> r{index};"
        ));
        module.push_str(&format!(
            r#"(func (export "f{index}") (param i32) (result i32) (local.get 0))"#
        ));
    }
    component(&world, &format!("(module {MEMORY} {module})"))
}

/// Builds a component whose module has a memory and an allocator.
fn component_with_memory(world: &str, functions: &str) -> Vec<u8> {
    component(world, &format!("(module {MEMORY} {functions})"))
}

/// Returns the tool of this name in a `tools/list` result.
fn tool<'a>(list: &'a Value, name: &str) -> &'a Value {
    let tools = list["tools"].as_array().unwrap();
    tools
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {list:#}"))
}
