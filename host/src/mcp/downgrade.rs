//! Removes from results and definitions what the client's revision does not define (`schema.ts` of each revision).
//!
//! Before 2026-07-28, `rmcp` removes `resultType` and results that are not objects. This does the rest for 2025-03-26 and
//! 2024-11-05, some of whose clients reject content of an unknown type.

use rmcp::model::{
    Annotations, CallToolResult, CompleteResult, ContentBlock, GetPromptResult, InitializeResult,
    Prompt, ReadResourceResult, Resource, ResourceTemplate, Tool,
};
use serde_json::Value;

use super::revision::Revision;
use crate::component;

/// A value of which older revisions define less.
pub(super) trait Downgrade {
    /// Removes or replaces what the revision does not define.
    fn downgrade(&mut self, _: Revision) {}
}

/// Their members are the same in all revisions.
impl Downgrade for CompleteResult {}
impl Downgrade for ReadResourceResult {}

impl Downgrade for InitializeResult {
    fn downgrade(&mut self, revision: Revision) {
        if revision < Revision::March2025 {
            self.capabilities.completions = None;
        }
    }
}

impl Downgrade for Tool {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        (self.output_schema, self.icons, self.meta) = (None, None, None);
        let title = self.title.take();
        if revision < Revision::March2025 {
            self.annotations = None;
        } else if let Some(title) = title {
            self.annotations.get_or_insert_default().title = Some(title);
        }
    }
}

impl Downgrade for Prompt {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        (self.title, self.icons, self.meta) = (None, None, None);
        for argument in self.arguments.iter_mut().flatten() {
            argument.title = None;
        }
    }
}

impl Downgrade for Resource {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        (self.title, self.icons, self.meta) = (None, None, None);
        self.annotations.downgrade(revision);
    }
}

impl Downgrade for ResourceTemplate {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        (self.title, self.icons, self.meta) = (None, None, None);
        self.annotations.downgrade(revision);
    }
}

impl Downgrade for Option<Annotations> {
    fn downgrade(&mut self, revision: Revision) {
        if let Some(annotations) = self
            && revision < Revision::June2025
        {
            annotations.last_modified = None;
        }
    }
}

impl Downgrade for CallToolResult {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        if let Some(value) = self.structured_content.take()
            && !self.content.iter().any(|block| is_text_of(block, &value))
        {
            self.content.push(ContentBlock::text(value.to_string()));
        }
        for block in &mut self.content {
            block.downgrade(revision);
        }
    }
}

impl Downgrade for GetPromptResult {
    fn downgrade(&mut self, revision: Revision) {
        for message in &mut self.messages {
            message.content.downgrade(revision);
        }
    }
}

impl Downgrade for ContentBlock {
    fn downgrade(&mut self, revision: Revision) {
        if revision >= Revision::June2025 {
            return;
        }
        let (text, annotations) = match self {
            Self::ResourceLink(link) => (
                format!("{}: {}", link.name, link.uri),
                link.annotations.take(),
            ),
            Self::Audio(audio) if revision < Revision::March2025 => (
                format!(
                    "audio of the type {}, which the protocol revision of this client does not have",
                    audio.mime_type
                ),
                audio.annotations.take(),
            ),
            Self::Text(text) => return text.annotations.downgrade(revision),
            Self::Image(image) => return image.annotations.downgrade(revision),
            Self::Audio(audio) => return audio.annotations.downgrade(revision),
            Self::Resource(resource) => return resource.annotations.downgrade(revision),
            _ => return,
        };
        *self = Self::text(text);
        if let Self::Text(text) = self {
            text.annotations = annotations;
            text.annotations.downgrade(revision);
        }
    }
}

/// Returns whether a block is the JSON text of a value.
fn is_text_of(block: &ContentBlock, value: &Value) -> bool {
    let text = block.as_text().map(|text| &*text.text);
    text.is_some_and(|text| component::parse_guest_json(text).is_ok_and(|parsed| parsed == *value))
}
