//! Adds a server to the text of a client's configuration file, and keeps everything else: comments, order, formatting.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

/// Lines around a change that are shown.
const CONTEXT_LINES: usize = 3;
/// The byte order mark with which some editors begin a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// JSON with comments and commas before closing brackets, as Visual Studio Code and Cursor read it.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Returns the text with the settings of a server, which replace those that it has under the name.
///
/// # Errors
/// The reason why the text is no configuration, as the end of a sentence.
pub(super) fn merge(text: &str, key: &str, name: &str, settings: &Value) -> Result<String, String> {
    let (mark, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK.to_string(), rest),
        None => (String::new(), text),
    };
    let text = match text.trim().is_empty() {
        true => "{}\n",
        false => text,
    };
    let root = CstRootNode::parse(text, &OPTIONS).map_err(|error| error.to_string())?;
    let object = root
        .object_value()
        .ok_or("it holds no JSON object, which begins with `{`")?;
    let servers = match only(&object, key)? {
        false => object.object_value_or_set(key),
        true => object
            .object_value(key)
            .ok_or_else(|| format!("its `{key}` is no object"))?,
    };
    only(&servers, name)?;
    match servers.get(name) {
        Some(existing) => existing.set_value(value(settings)),
        None => {
            servers.append(name, value(settings));
        }
    }
    Ok(format!("{mark}{root}"))
}

/// Returns whether an object has a property.
///
/// # Errors
/// It has the property twice, and clients differ in which one they use.
fn only(object: &CstObject, name: &str) -> Result<bool, String> {
    let properties = object.properties();
    let is_named = |property: &&CstObjectProp| property.decoded_name().as_deref() == Some(name);
    match properties.iter().filter(is_named).count() {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(format!("it has {name:?} twice in one object")),
    }
}

fn value(settings: &Value) -> CstInputValue {
    match settings {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(value).collect()),
        Value::Object(fields) => {
            let fields = fields.iter();
            CstInputValue::Object(
                fields
                    .map(|(name, field)| (name.clone(), value(field)))
                    .collect(),
            )
        }
    }
}

/// Returns the lines that differ, with some around them. One part of the text is changed, so the lines at the beginning and
/// at the end are equal.
pub(super) fn difference(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let equal = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let start = equal(&mut before.iter().zip(&after));
    let longest_end = before.len().min(after.len()) - start;
    let end = equal(&mut before.iter().rev().zip(after.iter().rev())).min(longest_end);
    let shown_start = start.saturating_sub(CONTEXT_LINES);
    let shown_end = (before.len() - end + CONTEXT_LINES).min(before.len());
    let marked = |mark: char, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    [
        marked(' ', &before[shown_start..start]),
        marked('-', &before[start..before.len() - end]),
        marked('+', &after[start..after.len() - end]),
        marked(' ', &before[before.len() - end..shown_end]),
    ]
    .concat()
}
