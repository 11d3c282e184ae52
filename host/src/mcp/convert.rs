//! Between the contract's types and the protocol's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmcp::model::{
    Annotations, CallToolResult, ContentBlock, Icon, JsonObject, LoggingLevel, MetaObject,
    Resource, ResourceContents, Role, Tool, ToolAnnotations,
};
use serde_json::Value;

use crate::auth::Principal;
use crate::catalog::Entry;
use crate::component::{self, Block, Body, Caller, Content, Level, Output};

/// A catalog entry as `tools/list` announces it.
pub(super) fn tool(entry: &Entry) -> Tool {
    let known = entry.tool();
    let mut tool = Tool::new_with_raw(
        entry.name.clone(),
        Some(entry.description().to_owned().into()),
        Arc::new(entry.input().source.clone()),
    );
    tool.title = entry.title().map(str::to_owned);
    tool.output_schema = known.output.as_ref().map(|s| Arc::new(s.source.clone()));
    tool.annotations = known.annotations.as_ref().map(annotations);
    if !known.icons.is_empty() {
        tool.icons = Some(known.icons.iter().map(icon).collect());
    }
    tool.meta = known.meta.clone().map(MetaObject);
    tool
}

/// Who calls, as components may know it. The token is not part of it.
pub(super) fn caller(principal: &Principal) -> Caller {
    Caller {
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
        client_id: principal.client_id.clone(),
        scopes: principal.scopes.clone(),
        claims: Value::Object(principal.claims.clone()).to_string(),
    }
}

/// A checked output as a result. Structured output also stands as text, for
/// clients that read nothing else (MCP, tools, structured content).
pub(super) fn result(output: Output) -> CallToolResult {
    // `Outcome::checked` has parsed both before.
    let parse = |text: String| serde_json::from_str::<Value>(&text).ok();
    let mut content: Vec<_> = output.content.into_iter().map(block).collect();
    if content.is_empty()
        && let Some(text) = &output.structured
    {
        content.push(ContentBlock::text(text.clone()));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = output.structured.and_then(parse);
    result.meta = match output.meta.and_then(parse) {
        Some(Value::Object(meta)) => Some(MetaObject(meta)),
        _ => None,
    };
    result
}

/// A failure as a result: the model reads the sentence.
pub(super) fn failure(sentence: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(sentence)])
}

pub(super) fn level(level: Level) -> LoggingLevel {
    match level {
        Level::Debug => LoggingLevel::Debug,
        Level::Info => LoggingLevel::Info,
        Level::Warning => LoggingLevel::Warning,
        Level::Error => LoggingLevel::Error,
    }
}

/// The place of a level in the order of RFC 5424, least important first.
pub(super) fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

/// `_meta` of a result with who served it (MCP 2026-07-28, `_meta`).
pub(super) fn with_server_info(
    meta: Option<MetaObject>,
    server_info: &Value,
) -> Option<MetaObject> {
    let mut meta = meta.map_or_else(JsonObject::new, |meta| meta.0);
    meta.insert(
        "io.modelcontextprotocol/serverInfo".into(),
        server_info.clone(),
    );
    Some(MetaObject(meta))
}

fn annotations(hints: &component::Annotations) -> ToolAnnotations {
    let mut annotations = ToolAnnotations::new();
    annotations.read_only_hint = hints.read_only;
    annotations.destructive_hint = hints.destructive;
    annotations.idempotent_hint = hints.idempotent;
    annotations.open_world_hint = hints.open_world;
    annotations
}

fn icon(icon: &component::Icon) -> Icon {
    let mut known = Icon::new(icon.src.clone());
    known.mime_type.clone_from(&icon.media_type);
    known.sizes = (!icon.sizes.is_empty()).then(|| icon.sizes.clone());
    known
}

fn block(content: Content) -> ContentBlock {
    let mut block = match content.block {
        Block::Text(text) => ContentBlock::text(text),
        Block::Image(media) => ContentBlock::image(BASE64.encode(media.data), media.media_type),
        Block::Audio(media) => ContentBlock::audio(BASE64.encode(media.data), media.media_type),
        Block::Link(link) => {
            let mut resource = Resource::new(link.uri, link.name);
            resource.title = link.title;
            resource.description = link.description;
            resource.mime_type = link.media_type;
            resource.size = link.size;
            ContentBlock::resource_link(resource)
        }
        Block::Embedded(embedded) => {
            // The constructors would name a media type where the tool names none.
            let (uri, mime_type) = (embedded.uri, embedded.media_type);
            ContentBlock::resource(match embedded.body {
                Body::Text(text) => ResourceContents::TextResourceContents {
                    uri,
                    mime_type,
                    text,
                    meta: None,
                },
                Body::Binary(bytes) => ResourceContents::BlobResourceContents {
                    uri,
                    mime_type,
                    blob: BASE64.encode(bytes),
                    meta: None,
                },
            })
        }
    };
    let audience = content.audience.map(audience);
    match &mut block {
        ContentBlock::Text(text) => text.annotations = audience,
        ContentBlock::Image(image) => image.annotations = audience,
        ContentBlock::Audio(audio) => audio.annotations = audience,
        ContentBlock::Resource(resource) => resource.annotations = audience,
        ContentBlock::ResourceLink(resource) => resource.annotations = audience,
        _ => {}
    }
    block
}

fn audience(audience: component::Audience) -> Annotations {
    let mut annotations = Annotations::default();
    if !audience.roles.is_empty() {
        let roles = audience.roles.iter().map(|role| match role {
            component::Role::User => Role::User,
            component::Role::Assistant => Role::Assistant,
        });
        annotations.audience = Some(roles.collect());
    }
    annotations.priority = audience.priority;
    annotations.last_modified = audience.last_modified;
    annotations
}
