//! References of a schema, which stay inside the schema.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::defect::Defect;
use super::message::quote;

/// The dialect that schemas are read as.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

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

/// A subschema with a name.
#[derive(Clone, Copy)]
pub(super) struct Anchor<'s> {
    pub(super) schema: &'s Value,
    pub(super) is_dynamic: bool,
}

/// The target of a reference.
pub(super) struct Target<'s> {
    pub(super) schema: &'s Value,
    /// The name of the target if it is a dynamic anchor.
    pub(super) dynamic_anchor: Option<&'s str>,
}

/// The reason why a reference has no target.
pub(super) enum Unresolved {
    /// Nothing is there.
    Missing,
    /// A plain value is there.
    Value,
}

/// Returns the first reference that leads out of the schema. The recursion is bounded by the schema's depth.
pub(super) fn remote_reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Array(items) => items.iter().find_map(remote_reference),
        Value::Object(members) => members.iter().find_map(|(key, value)| match value {
            Value::String(reference)
                if matches!(key.as_str(), "$ref" | "$dynamicRef")
                    && !reference.starts_with('#') =>
            {
                Some(reference.as_str())
            }
            _ => remote_reference(value),
        }),
        _ => None,
    }
}

/// Checks the `$schema` of a node.
pub(super) fn check_dialect(members: &Map<String, Value>) -> Result<(), Defect> {
    match members
        .get("$schema")
        .map(|dialect| (dialect, dialect.as_str()))
    {
        None => Ok(()),
        Some((_, Some(uri))) if uri.trim_end_matches('#') == DIALECT => Ok(()),
        Some((dialect, _)) => {
            let problem = format!("{} is not the dialect \"{DIALECT}\"", quote(dialect));
            Err(Defect::new(problem).below("$schema"))
        }
    }
}

/// Returns the text of a reference.
pub(super) fn local_reference(reference: &Value) -> Result<&str, Defect> {
    match reference.as_str() {
        Some(text) if text.starts_with('#') => Ok(text),
        Some(text) => Err(Defect::new(format!("{text:?} leads out of the schema"))),
        None => Err(Defect::wrong_type(reference, "\"string\"")),
    }
}

/// Returns the name of an anchor.
pub(super) fn anchor_name(anchor: &Value) -> Result<&str, Defect> {
    let Some(name) = anchor.as_str() else {
        return Err(Defect::wrong_type(anchor, "\"string\""));
    };
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_rest = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match name.starts_with(is_start) && name.chars().all(is_rest) {
        true => Ok(name),
        false => Err(Defect::new(format!(
            "{} is not the name of an anchor",
            quote(anchor)
        ))),
    }
}

/// Resolves a local reference in a resource.
pub(super) fn resolve<'s>(
    reference: &'s str,
    resource: &'s Value,
    anchor: impl Fn(&'s str) -> Option<Anchor<'s>>,
) -> Result<Target<'s>, Unresolved> {
    let fragment = &reference['#'.len_utf8()..];
    if !fragment.is_empty() && !fragment.starts_with('/') {
        let found = anchor(fragment).ok_or(Unresolved::Missing)?;
        return Ok(Target {
            schema: found.schema,
            dynamic_anchor: found.is_dynamic.then_some(fragment),
        });
    }
    let pointer = percent_decode_str(fragment)
        .decode_utf8()
        .map_err(|_| Unresolved::Missing)?;
    if leads_to_value(&pointer) {
        return Err(Unresolved::Value);
    }
    let schema = resource.pointer(&pointer).ok_or(Unresolved::Missing)?;
    Ok(Target {
        schema,
        dynamic_anchor: None,
    })
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
