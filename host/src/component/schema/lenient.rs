//! Conversion of strings that hold the JSON of another type, as models write them: `"5"` for a number, `"[1]"` for an
//! array.

use serde_json::Value;

use super::evaluator::{Mismatch, Report, evaluate};
use super::limits::Exceeded;
use super::node::{Document, Types};
use crate::component::guest_json;

/// Maximum number of conversions one after the other: a converted array may hold strings to convert.
const MAX_ROUNDS: usize = 4;

/// Converts strings where the schema accepts only other types. Returns the value if it then fits the schema.
///
/// # Errors
/// The limit that an evaluation exceeds.
pub(super) fn convert(
    document: &Document,
    value: &Value,
    work: u64,
) -> Result<Option<Value>, Exceeded> {
    let mut converted = value.clone();
    for _ in 0..MAX_ROUNDS {
        let mismatches = evaluate(document, &converted, work, Report::All)?;
        if mismatches.is_empty() {
            return Ok(Some(converted));
        }
        let mut has_changed = false;
        for mismatch in &mismatches {
            has_changed |= convert_at(&mut converted, mismatch);
        }
        if !has_changed || guest_json::depth(&converted) > guest_json::MAX_DEPTH {
            return Ok(None);
        }
    }
    let mismatches = evaluate(document, &converted, work, Report::Nothing)?;
    Ok(mismatches.is_empty().then_some(converted))
}

/// Converts the string of a mismatch if its JSON has an accepted type.
fn convert_at(root: &mut Value, mismatch: &Mismatch) -> bool {
    let Some(accepted) = mismatch.accepted else {
        return false;
    };
    let Some(place) = root.pointer_mut(&mismatch.pointer) else {
        return false;
    };
    match parsed(place) {
        Some(parsed) if accepted.intersects(Types::of(&parsed)) => {
            *place = parsed;
            true
        }
        _ => false,
    }
}

/// Returns the JSON in a string, unless that is a string again.
pub(in crate::component) fn parsed(value: &Value) -> Option<Value> {
    let parsed = guest_json::parse(value.as_str()?).ok()?;
    (!parsed.is_string()).then_some(parsed)
}
