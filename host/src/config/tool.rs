//! `[component.tool.NAME]`: the operator's settings for one tool.

use std::collections::BTreeMap;

use serde_json::Value;

use super::section::Section;
use crate::catalog::{CommandLine, Hints, ToolConfig};
use crate::component::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, is_tool_name};

/// Reads `[component.tool.NAME]`.
pub(super) fn read_tool(section: Section<'_, '_>) -> ToolConfig {
    let wanted = "1 to 64 characters of `A-Z a-z 0-9 _ -`";
    let config = ToolConfig {
        scopes: section.scopes("scopes"),
        rename: section.parsed("rename", wanted, |name| {
            is_tool_name(name).then(|| name.to_owned())
        }),
        defaults: section.json_object("defaults").unwrap_or_default(),
        hide: section.string_list("hide").unwrap_or_default(),
        enabled: section.boolean("enabled").unwrap_or(true),
        ..read_texts(&section)
    };
    section.finish();
    config
}

/// Reads `[tool.NAME]` of a file beside a component: the keys of [`read_tool`] that describe the tool. The others are
/// the operator's.
pub(super) fn read_description(section: Section<'_, '_>) -> ToolConfig {
    let config = read_texts(&section);
    section.finish();
    config
}

/// Reads the keys that describe a tool.
fn read_texts(section: &Section<'_, '_>) -> ToolConfig {
    ToolConfig {
        title: read_text(section, "title", MAX_TITLE_BYTES),
        description: read_text(section, "description", MAX_DESCRIPTION_BYTES),
        parameters: read_parameters(section),
        hints: Hints {
            read_only: section.boolean("read-only"),
            destructive: section.boolean("destructive"),
            idempotent: section.boolean("idempotent"),
            open_world: section.boolean("open-world"),
        },
        args: section.string_list("args").and_then(|words| {
            let line = CommandLine::parse(&words);
            line.map_err(|problem| section.error("args", problem)).ok()
        }),
        schema: section.json_object("schema"),
        ..ToolConfig::default()
    }
}

/// Reads `parameters`: descriptions of arguments by name.
fn read_parameters(section: &Section<'_, '_>) -> BTreeMap<String, String> {
    let mut descriptions = BTreeMap::new();
    for (name, text) in section.json_object("parameters").unwrap_or_default() {
        match text {
            Value::String(text) if text.len() <= MAX_DESCRIPTION_BYTES => {
                descriptions.insert(name, text);
            }
            Value::String(_) => {
                let problem =
                    format!("describes `{name}` with more than {MAX_DESCRIPTION_BYTES} bytes");
                section.error("parameters", problem);
            }
            _ => section.error(
                "parameters",
                format!("must describe `{name}` with a string"),
            ),
        }
    }
    descriptions
}

/// Reads a text for clients. It has the same limit as the component's own text.
fn read_text(section: &Section<'_, '_>, key: &'static str, max_bytes: usize) -> Option<String> {
    let text = section.string(key)?;
    if text.trim().is_empty() {
        section.error(key, "is empty; leave it out to keep the tool's own");
    } else if text.len() > max_bytes {
        section.error(key, format!("is longer than {max_bytes} bytes"));
    }
    Some(text)
}
