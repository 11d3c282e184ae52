//! Sentences about a value that does not fit its schema.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use super::node::{Limit, Size, Types};
use crate::text::ellipsize;

/// Maximum length of a value in a sentence.
const MAX_QUOTED_BYTES: usize = 200;
/// Maximum number of values or names that a sentence lists.
const MAX_LISTED: usize = 3;

/// Returns a value as JSON, truncated.
pub(super) fn quote(value: &Value) -> String {
    let mut writer = Truncated(Vec::new());
    // The writer fails when it is full.
    let is_complete = serde_json::to_writer(&mut writer, value).is_ok();
    let mut text = String::from_utf8_lossy(&writer.0).into_owned();
    if !is_complete {
        text.push('…');
    }
    text
}

/// Returns the start of a long text.
pub(super) fn truncated(text: &str) -> Cow<'_, str> {
    ellipsize(text, MAX_QUOTED_BYTES)
}

/// A writer that fails when it is full.
struct Truncated(Vec<u8>);

impl io::Write for Truncated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = MAX_QUOTED_BYTES - self.0.len();
        if space == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = bytes.len().min(space);
        self.0.extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn wrong_type(value: &Value, types: Types) -> String {
    let names: Vec<_> = types.names().map(|name| format!("{name:?}")).collect();
    let noun = if names.len() == 1 { "type" } else { "types" };
    format!("{} is not of {noun} {}", quote(value), names.join(", "))
}

pub(super) fn not_one_of(value: &Value, options: &[Value]) -> String {
    let mut text = format!("{} is not one of ", quote(value));
    let listed = match options.len() {
        count if count > MAX_LISTED => MAX_LISTED - 1,
        count => count,
    };
    for (index, option) in options.iter().take(listed).enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == options.len() => " or ",
            _ => ", ",
        };
        let _ = write!(text, "{separator}{}", quote(option));
    }
    if listed < options.len() {
        let _ = write!(text, " or {} other candidates", options.len() - listed);
    }
    text
}

pub(super) fn out_of_limit(value: &Value, limit: Limit, bound: &serde_json::Number) -> String {
    let relation = match limit {
        Limit::Minimum => "less than the minimum",
        Limit::Maximum => "greater than the maximum",
        Limit::ExclusiveMinimum => "less than or equal to the minimum",
        Limit::ExclusiveMaximum => "greater than or equal to the maximum",
    };
    format!("{} is {relation} of {bound}", quote(value))
}

pub(super) fn wrong_size(value: &Value, size: Size, bound: u64) -> String {
    let (relation, one, many) = match size {
        Size::MinLength => ("is shorter than", "character", "characters"),
        Size::MaxLength => ("is longer than", "character", "characters"),
        Size::MinItems => ("has less than", "item", "items"),
        Size::MaxItems => ("has more than", "item", "items"),
        Size::MinProperties => ("has less than", "property", "properties"),
        Size::MaxProperties => ("has more than", "property", "properties"),
    };
    let noun = if bound == 1 { one } else { many };
    format!("{} {relation} {bound} {noun}", quote(value))
}

/// A sentence about members or items that no keyword allows.
pub(super) fn unexpected(what: &str, names: &[String], count: usize) -> String {
    let more = match count.saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if count == 1 { "was" } else { "were" };
    format!(
        "{what} are not allowed ({}{more} {verb} unexpected)",
        names.join(", ")
    )
}

/// Names of unexpected members or items, as many as a sentence lists.
#[derive(Default)]
pub(super) struct Unexpected {
    names: Vec<String>,
    count: usize,
}

impl Unexpected {
    pub(super) fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < MAX_LISTED {
            self.names.push(name());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn sentence(&self, what: &str) -> String {
        unexpected(what, &self.names, self.count)
    }
}
