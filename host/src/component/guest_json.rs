//! JSON texts of guests, parsed within a bound of depth.

use serde_json::Value;

use crate::json::{self, DuplicateKeys};

/// Maximum nesting of a JSON text. Twice that of clients' messages, because tools return trees of programs and documents.
pub(super) const MAX_DEPTH: usize = 127;

/// Parses a text.
///
/// # Errors
/// The defect of the text.
pub(crate) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    json::parse_within(text.as_bytes(), DuplicateKeys::KeepLast, MAX_DEPTH)
}

/// Returns the nesting of a parsed text: 1 for a scalar. The recursion is bounded by [`MAX_DEPTH`], twice that in a value
/// that is put together of two.
pub(super) fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
