//! Budget of work for one validation.
//!
//! The schema comes from a guest and the value possibly from a caller, and a running validation cannot be interrupted.
//! A few references that each lead to two others double the work at every step, so the work is counted. Without
//! references, validation visits each node of the schema at most once per node of the value. Following a reference
//! charges that product for the referenced schema; once the budget is used up, references fail without being followed.

use std::cell::Cell;

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

/// The schema keyword that charges the budget. It is placed before a reference and holds the number of nodes that the
/// reference leads to. A component that writes the keyword itself only makes its own validation more expensive.
pub(super) const KEYWORD: &str = "toolcrib:cost";
/// Bytes of a string that count as one node.
const BYTES_PER_NODE: usize = 16;

thread_local! {
    /// The rest of the budget, in schema nodes times value nodes.
    static REMAINING: Cell<u64> = const { Cell::new(0) };
}

/// Runs a validation with a budget of `work`. Returns `None` if the budget is used up before the validation ends.
pub(super) fn with_budget<T>(work: u64, validation: impl FnOnce() -> T) -> Option<T> {
    REMAINING.set(work);
    let result = validation();
    // A validation within the budget leaves at least 1: `charge` fails as soon as it reaches 0.
    (REMAINING.replace(0) > 0).then_some(result)
}

/// Charges the budget for validating `value` against a schema of `schema_nodes` nodes. Returns `false` once it is used
/// up.
pub(super) fn charge(schema_nodes: u64, value: &Value) -> bool {
    let remaining = REMAINING.get();
    let max_nodes = remaining / schema_nodes.max(1);
    let remaining = match bounded_node_count(value, max_nodes) {
        Some(nodes) => remaining.saturating_sub(schema_nodes.saturating_mul(nodes)),
        None => 0,
    };
    REMAINING.set(remaining);
    remaining > 0
}

/// Returns the number of nodes of a value.
pub(super) fn node_count(value: &Value) -> u64 {
    bounded_node_count(value, u64::MAX).unwrap_or(u64::MAX)
}

/// Returns the number of nodes of a value, or `None` if it exceeds `max`.
fn bounded_node_count(value: &Value, max: u64) -> Option<u64> {
    let own = match value {
        Value::String(text) => 1 + (text.len() / BYTES_PER_NODE) as u64,
        _ => 1,
    };
    let mut remaining = max.checked_sub(own)?;
    let mut count = |inner: &Value| {
        remaining -= bounded_node_count(inner, remaining)?;
        Some(())
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(&mut count)?,
        Value::Object(members) => members.values().try_for_each(&mut count)?,
        _ => {}
    }
    Some(max - remaining)
}

/// Creates the validator of [`KEYWORD`] from the keyword's value.
pub(super) fn keyword(schema_nodes: &Value) -> Box<dyn for<'i> Keyword<'i>> {
    Box::new(Charge {
        schema_nodes: schema_nodes.as_u64().unwrap_or(u64::MAX),
    })
}

/// The validator of [`KEYWORD`]: it accepts any value until the budget is used up.
struct Charge {
    schema_nodes: u64,
}

impl<'i> Keyword<'i> for Charge {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match charge(self.schema_nodes, instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("takes too long to check")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        charge(self.schema_nodes, instance)
    }
}
