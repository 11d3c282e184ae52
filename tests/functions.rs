//! Function components: plain WIT functions are tools. Their types become schemas, arguments and results are converted by
//! type and nothing is lost or guessed, and everything that holds for a call of a tool holds for a call of a function.

mod arguments;
mod beside_tools;
mod bounds;
mod compounds;
mod descriptions;
mod generated;
mod limits;
mod names;
mod results;
mod skipped;
mod types;

use serde_json::Value;

use crate::support::guest::component;

/// So many values that parameters and results stand in memory, for a guest that only hands on where.
const PAD: &str = "type pad = option<tuple<u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32>>;";

/// A bump allocator.
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

/// A component with a function `f0`, `f1`, … for each of these types, which takes `x` of the type and returns it in a record.
/// What it takes and what it returns have one layout, so that returning where the parameters are is to return them.
fn echoing(definitions: &str, types: &[&str]) -> Vec<u8> {
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

/// A component with a module that has memory.
fn with_memory(world: &str, functions: &str) -> Vec<u8> {
    component(world, &format!("(module {MEMORY} {functions})"))
}

/// The tool of this name in a list.
fn tool<'a>(list: &'a Value, name: &str) -> &'a Value {
    let tools = list["tools"].as_array().unwrap();
    tools
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {list:#}"))
}
