//! Bounds what it takes to hold a value against a schema.
//!
//! A schema is a guest's, and a value perhaps a caller's: a few references that each lead to two others double the work
//! with every step, and a thread that checks cannot be stopped. So the work is counted. Without its references, a schema
//! looks at most once with each of its parts at each part of a value; where a reference is followed, that much is taken
//! from what is left, and once nothing is, no reference leads anywhere.

use std::cell::Cell;

use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};

/// Stands before a reference, with the parts of what it leads to. A component that writes it itself only makes its
/// checks dearer.
pub(super) const KEYWORD: &str = "toolcrib:effort";
/// A longer text counts as more than one part.
const TEXT_BYTES: usize = 16;

thread_local! {
    /// What is left of the work, in parts of a schema times parts of a value.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Does a check that may take so much work; `None` where that is not enough.
pub(super) fn within<T>(work: u64, check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(work);
    let checked = check();
    // Nothing that fits leaves nought.
    (LEFT.replace(0) > 0).then_some(checked)
}

/// Takes what `parts` of a schema may cost with this value; `false` where that is not left.
pub(super) fn spend(parts: u64, value: &Value) -> bool {
    let left = LEFT.get();
    let most = left / parts.max(1);
    let left = match size(value, most) {
        Some(size) => left.saturating_sub(parts.saturating_mul(size)),
        None => 0,
    };
    LEFT.set(left);
    left > 0
}

/// The parts of a value, where they are no more than `most`.
fn size(value: &Value, most: u64) -> Option<u64> {
    let own = match value {
        Value::String(text) => 1 + (text.len() / TEXT_BYTES) as u64,
        _ => 1,
    };
    let mut left = most.checked_sub(own)?;
    let mut take = |inner: &Value| {
        left -= size(inner, left)?;
        Some(())
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(&mut take)?,
        Value::Object(members) => members.values().try_for_each(&mut take)?,
        _ => {}
    }
    Some(most - left)
}

/// The parts of a schema.
pub(super) fn parts(schema: &Value) -> u64 {
    size(schema, u64::MAX).unwrap_or(u64::MAX)
}

/// A schema whose references are counted as they are followed.
///
/// # Errors
/// The reference that leads to where no schema is.
pub(super) fn counted(schema: &Value) -> Result<Value, String> {
    let mut counted = schema.clone();
    count(&mut counted, schema)?;
    Ok(counted)
}

/// Whose members are schemas by names of their own.
const MAPS: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// What is a value and no schema.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

fn count(schema: &mut Value, root: &Value) -> Result<(), String> {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().try_for_each(|s| count(s, root)),
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                match value {
                    Value::Object(named) if MAPS.contains(&key.as_str()) => {
                        named.values_mut().try_for_each(|s| count(s, root))?;
                    }
                    _ if VALUES.contains(&key.as_str()) => {}
                    _ => count(value, root)?,
                }
            }
            for key in ["$ref", "$dynamicRef"] {
                count_reference(members, key, root)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts a reference behind its count, as the last of what must hold besides: what other references lead to stays where
/// it was.
fn count_reference(
    members: &mut Map<String, Value>,
    key: &str,
    root: &Value,
) -> Result<(), String> {
    let Some(Value::String(reference)) = members.get(key) else {
        return Ok(());
    };
    let pointer = reference.trim_start_matches('#');
    if leads_to_a_value(pointer) {
        return Err(reference.clone());
    }
    let parts = parts(root.pointer(pointer).unwrap_or(root));
    let all = [json!({ KEYWORD: parts }), json!({ key: reference })];
    members.shift_remove(key);
    let besides = members.entry("allOf").or_insert_with(|| json!([]));
    // What is no list is refused as a schema, with its own sentence.
    if let Value::Array(besides) = besides {
        besides.extend(all);
    }
    Ok(())
}

fn leads_to_a_value(pointer: &str) -> bool {
    let mut is_named = false;
    for key in pointer.split('/') {
        if !is_named && VALUES.contains(&key) {
            return true;
        }
        is_named = !is_named && MAPS.contains(&key);
    }
    false
}

/// The keyword: it holds as long as there is something left.
struct Counted(u64);

impl<'i> Keyword<'i> for Counted {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match spend(self.0, instance) {
            true => Ok(()),
            false => Err(ValidationError::custom("takes too long to check")),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        spend(self.0, instance)
    }
}

/// What makes the keyword of its value.
pub(super) fn keyword(parts: &Value) -> Box<dyn for<'i> Keyword<'i>> {
    Box::new(Counted(parts.as_u64().unwrap_or(u64::MAX)))
}
