//! Structured content for people: tables for arrays of objects.

use serde_json::{Map, Value};

use crate::cli::output::Style;
use crate::text::escape_untrusted;

/// Objects with more members are shown as JSON.
const MAX_COLUMNS: usize = 20;
/// Longer values are cut.
const MAX_CELL_CHARACTERS: usize = 60;

/// Returns structured content with its arrays of objects as tables, escaped. `None` if it has none.
pub(super) fn render(structured: &Value, style: Style) -> Option<String> {
    let members = structured.as_object()?;
    let tables = members
        .values()
        .filter(|member| rows(member).is_some())
        .count();
    if tables == 0 {
        return None;
    }
    let mut text = String::new();
    for (name, member) in members {
        let Some(rows) = rows(member) else {
            let value = cell(member);
            text.push_str(&format!(
                "{}: {value}\n",
                style.dim(&escape_untrusted(name))
            ));
            continue;
        };
        if members.len() > 1 {
            text.push_str(&format!("{}:\n", style.dim(&escape_untrusted(name))));
        }
        push_table(&mut text, &rows, style);
    }
    Some(text)
}

/// Returns the rows of a table: the objects of an array that consists of such.
fn rows(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    let rows: Vec<_> = items.iter().map(Value::as_object).collect::<Option<_>>()?;
    (1..=MAX_COLUMNS)
        .contains(&columns(&rows).len())
        .then_some(rows)
}

/// Returns the names of all members in the order in which they appear first.
fn columns<'r>(rows: &[&'r Map<String, Value>]) -> Vec<&'r str> {
    let mut columns: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
        if columns.len() > MAX_COLUMNS {
            break;
        }
    }
    columns
}

fn push_table(text: &mut String, rows: &[&Map<String, Value>], style: Style) {
    let columns = columns(rows);
    let header: Vec<_> = columns
        .iter()
        .map(|name| cut(&escape_untrusted(name)))
        .collect();
    let cells: Vec<Vec<_>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|name| row.get(*name).map_or_else(String::new, cell))
                .collect()
        })
        .collect();
    let lines = std::iter::once(&header).chain(&cells);
    let mut widths = vec![0; columns.len()];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let is_number: Vec<_> = columns
        .iter()
        .map(|name| {
            rows.iter().all(|row| {
                row.get(*name)
                    .is_none_or(|value| value.is_number() || value.is_null())
            })
        })
        .collect();
    let format = |line: &[String]| {
        let cells = line
            .iter()
            .zip(&widths)
            .zip(&is_number)
            .map(|((cell, width), is_number)| match is_number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    text.push_str(&style.bold(&format(&header)));
    text.push('\n');
    for line in &cells {
        text.push_str(&format(line));
        text.push('\n');
    }
}

/// Formats a value in one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cut(&escape_untrusted(text)),
        other => cut(&escape_untrusted(&other.to_string())),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
