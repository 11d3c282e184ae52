//! Locations in a call's arguments, and the error messages about values there.

use std::fmt;

use serde_json::Value;

use crate::text::truncate;

/// Maximum length of an argument that an error message quotes.
const MAX_QUOTED_BYTES: usize = 80;
/// Maximum number of names that an error message lists.
const MAX_LISTED_NAMES: usize = 20;

/// The location of a value. `Display` writes it as a JSON Pointer (RFC 6901).
#[derive(Clone, Copy)]
pub(super) enum JsonPath<'a> {
    Root,
    Member(&'a JsonPath<'a>, &'a str),
    Item(&'a JsonPath<'a>, usize),
}

impl fmt::Display for JsonPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the arguments"),
            _ => write!(f, "`{}`", self.pointer()),
        }
    }
}

impl JsonPath<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            // Names in WIT contain no character that a JSON Pointer escapes.
            Self::Member(parent, name) => format!("{}/{name}", parent.pointer()),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    /// Formats the error message about the value at this location.
    pub(super) fn error(&self, problem: impl fmt::Display) -> String {
        format!("{self}: {problem}")
    }

    /// Formats the error message about a value that is not of the expected type.
    pub(super) fn type_error(&self, value: &Value, expected: impl fmt::Display) -> String {
        self.error(format_args!("{} is not {expected}", Quoted(value)))
    }
}

/// A value as error messages quote it.
pub(super) struct Quoted<'a>(pub(super) &'a Value);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Array(_) => f.write_str("an array"),
            Value::Object(_) => f.write_str("an object"),
            Value::String(text) if text.len() > MAX_QUOTED_BYTES => {
                write!(f, "{}…", Value::from(truncate(text, MAX_QUOTED_BYTES)))
            }
            other => write!(f, "{other}"),
        }
    }
}

/// Lists names in an error message.
pub(super) fn name_list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED_NAMES);
    let mut listed: Vec<_> = names
        .take(MAX_LISTED_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed.join(", ")
}
