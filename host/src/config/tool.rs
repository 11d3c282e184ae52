//! `[component.tool.NAME]`: what the operator changes about one tool.

use super::read::scopes;
use super::section::Section;
use crate::catalog::ToolConfig;
use crate::component::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, is_tool_name};

pub(super) fn tool(section: Section<'_, '_>) -> ToolConfig {
    let wanted = "1 to 64 characters of `A-Z a-z 0-9 _ -`";
    let settings = ToolConfig {
        scopes: scopes(&section, "scopes"),
        rename: section.parsed("rename", wanted, |name| {
            is_tool_name(name).then(|| name.to_owned())
        }),
        title: text(&section, "title", MAX_TITLE_BYTES),
        description: text(&section, "description", MAX_DESCRIPTION_BYTES),
        defaults: section.json("defaults").unwrap_or_default(),
        hide: section.strings("hide").unwrap_or_default(),
        enabled: section.boolean("enabled").unwrap_or(true),
    };
    section.finish();
    settings
}

/// A text for clients; the bounds are those of what a component says itself.
fn text(section: &Section<'_, '_>, key: &'static str, max_bytes: usize) -> Option<String> {
    let text = section.string(key)?;
    if text.trim().is_empty() {
        section.fault(key, "is empty; leave it out to keep the tool's own");
    } else if text.len() > max_bytes {
        section.fault(key, format!("is longer than {max_bytes} bytes"));
    }
    Some(text)
}
