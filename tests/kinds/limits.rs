//! Limits of components that are composed of several.

use std::fmt::Write;

use super::assert_refused;
use crate::support::command::Toolcrib;

/// A component of this many modules with a memory each.
fn with_memories(count: usize) -> Vec<u8> {
    let mut text = String::from(
        "(component (core module $part (memory 1) (func (export \"one\") (result i32) (i32.const 1)))",
    );
    for part in 0..count {
        let _ = write!(text, "(core instance $p{part} (instantiate $part))");
    }
    text.push_str("(func (export \"one\") (result u32) (canon lift (core func $p0 \"one\"))))");
    wat::parse_str(text).unwrap()
}

#[test]
fn components_may_have_16_memories() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("most", &with_memories(16));
    let output = toolcrib.run(&["call", &path, "one"]);
    assert_eq!(output.stdout, "1\n", "{output:?}");
    let path = toolcrib.write("more", &with_memories(17));
    assert_refused(&toolcrib.run(&["inspect", &path]), &["17", "16"]);
}
