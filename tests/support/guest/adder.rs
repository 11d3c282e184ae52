//! Two components that fit together: one imports the function that the other exports.

use super::component_from_wit;

/// The interface between the parts.
pub(crate) const ADDER: &str = "
    package docs:adder@0.1.0 {
      interface add { add: func(a: u32, b: u32) -> u32; }
    }";

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

/// The body of an adder.
pub(crate) const ADD: &str = "(i32.add (local.get 0) (local.get 1))";
