//! `[component.tool.NAME]`: the operator's settings for one tool.

use super::section::Section;
use crate::catalog::ToolConfig;
use crate::component::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, is_tool_name};

/// Reads `[component.tool.NAME]`.
pub(super) fn read_tool(section: Section<'_, '_>) -> ToolConfig {
    let wanted = "1 to 64 characters of `A-Z a-z 0-9 _ -`";
    let config = ToolConfig {
        scopes: section.scopes("scopes"),
        rename: section.parsed("rename", wanted, |name| {
            is_tool_name(name).then(|| name.to_owned())
        }),
        title: read_text(&section, "title", MAX_TITLE_BYTES),
        description: read_text(&section, "description", MAX_DESCRIPTION_BYTES),
        defaults: section.json_object("defaults").unwrap_or_default(),
        hide: section.string_list("hide").unwrap_or_default(),
        enabled: section.boolean("enabled").unwrap_or(true),
    };
    section.finish();
    config
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
