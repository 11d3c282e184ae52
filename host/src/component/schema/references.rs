//! References of a schema: they stay inside the schema, and following one charges the validation's budget.

use serde_json::{Map, Value, json};

use super::budget;

const REFERENCE_KEYS: [&str; 2] = ["$ref", "$dynamicRef"];

/// Keywords whose members are schemas under names that the author chose.
const SCHEMA_MAPS: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// Keywords that hold plain values instead of schemas.
const VALUE_KEYWORDS: [&str; 4] = ["const", "default", "enum", "examples"];

/// Returns the first reference that leads out of the schema.
pub(super) fn remote_reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Array(items) => items.iter().find_map(remote_reference),
        Value::Object(members) => members.iter().find_map(|(key, value)| match value {
            Value::String(reference)
                if REFERENCE_KEYS.contains(&key.as_str()) && !reference.starts_with('#') =>
            {
                Some(reference.as_str())
            }
            _ => remote_reference(value),
        }),
        _ => None,
    }
}

/// Returns an equivalent schema in which following a reference charges the budget.
///
/// # Errors
/// A reference that leads to a plain value instead of a schema.
pub(super) fn with_charged_references(schema: &Value) -> Result<Value, String> {
    let mut charged = schema.clone();
    charge_references(&mut charged, schema)?;
    Ok(charged)
}

fn charge_references(schema: &mut Value, root: &Value) -> Result<(), String> {
    match schema {
        Value::Array(schemas) => schemas
            .iter_mut()
            .try_for_each(|schema| charge_references(schema, root)),
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                match value {
                    Value::Object(schemas) if SCHEMA_MAPS.contains(&key.as_str()) => schemas
                        .values_mut()
                        .try_for_each(|schema| charge_references(schema, root))?,
                    _ if VALUE_KEYWORDS.contains(&key.as_str()) => {}
                    _ => charge_references(value, root)?,
                }
            }
            REFERENCE_KEYS
                .into_iter()
                .try_for_each(|key| charge_reference(members, key, root))
        }
        _ => Ok(()),
    }
}

/// Moves a reference into `allOf`, after the keyword that charges for it. Both are appended, so the targets of other
/// references keep their JSON Pointers.
fn charge_reference(
    members: &mut Map<String, Value>,
    key: &str,
    root: &Value,
) -> Result<(), String> {
    let Some(Value::String(reference)) = members.get(key) else {
        return Ok(());
    };
    let pointer = reference.trim_start_matches('#');
    if leads_to_value(pointer) {
        return Err(reference.clone());
    }
    // An anchor is not a pointer; it costs as much as the whole schema.
    let nodes = budget::node_count(root.pointer(pointer).unwrap_or(root));
    let charged = [json!({ budget::KEYWORD: nodes }), json!({ key: reference })];
    members.shift_remove(key);
    // The compiler of the schema rejects an `allOf` that is not an array.
    if let Value::Array(all_of) = members.entry("allOf").or_insert_with(|| json!([])) {
        all_of.extend(charged);
    }
    Ok(())
}

fn leads_to_value(pointer: &str) -> bool {
    // The segment after one of `SCHEMA_MAPS` is a name that the author chose.
    let mut is_name = false;
    for segment in pointer.split('/') {
        if !is_name && VALUE_KEYWORDS.contains(&segment) {
            return true;
        }
        is_name = !is_name && SCHEMA_MAPS.contains(&segment);
    }
    false
}
