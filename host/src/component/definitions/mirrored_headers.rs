//! Rules for `x-mcp-header`, by which a tool's argument is mirrored in an HTTP header (MCP 2026-07-28, Streamable HTTP,
//! custom headers).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

const KEYWORD: &str = "x-mcp-header";

/// Checks the `x-mcp-header` keywords of an input schema.
///
/// Each must be a header token, unique regardless of case, on a property of type string, integer or boolean that is
/// reached through `properties` only.
///
/// # Errors
/// The violated rule, as the predicate of a sentence.
pub(super) fn check_mirrored_headers(schema: &Map<String, Value>) -> Result<(), String> {
    let mut headers = BTreeSet::new();
    let mut count_in_properties = 0;
    check_properties(schema, &mut headers, &mut count_in_properties)?;
    if members_count(schema) > count_in_properties {
        return Err(
            "has an `x-mcp-header` that is not on a chain of `properties`; headers can only \
             mirror those"
                .into(),
        );
    }
    Ok(())
}

fn check_properties(
    schema: &Map<String, Value>,
    headers: &mut BTreeSet<String>,
    count: &mut usize,
) -> Result<(), String> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(());
    };
    for (name, property) in properties {
        let Value::Object(property) = property else {
            continue;
        };
        if let Some(header) = property.get(KEYWORD) {
            *count += 1;
            let header = header.as_str().unwrap_or_default();
            if header.is_empty() || !header.bytes().all(is_token_byte) {
                return Err(format!(
                    "gives `{name}` an `x-mcp-header` that is not a header token"
                ));
            }
            if !headers.insert(header.to_ascii_lowercase()) {
                return Err(format!("uses the `x-mcp-header` `{header}` twice"));
            }
            let ty = property.get("type").and_then(Value::as_str);
            if !matches!(ty, Some("string" | "integer" | "boolean")) {
                return Err(format!(
                    "gives `{name}` an `x-mcp-header`, but its type is not string, integer or \
                     boolean"
                ));
            }
        }
        check_properties(property, headers, count)?;
    }
    Ok(())
}

/// Returns the number of `x-mcp-header` keywords anywhere in a schema.
fn keyword_count(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(keyword_count).sum(),
        Value::Object(members) => members_count(members),
        _ => 0,
    }
}

fn members_count(members: &Map<String, Value>) -> usize {
    let own = usize::from(members.get(KEYWORD).is_some_and(Value::is_string));
    own + members.values().map(keyword_count).sum::<usize>()
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
