//! Between the contract's types and the protocol's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmcp::model::{
    Annotations, CallToolResult, CompleteResult, CompletionInfo, ContentBlock, GetPromptResult,
    Icon, JsonObject, LoggingLevel, MetaObject, Prompt, PromptArgument, PromptMessage,
    ReadResourceResult, Reference, Resource, ResourceContents, ResourceTemplate, Role, Tool,
    ToolAnnotations,
};
use serde_json::Value;

use crate::auth::Caller;
use crate::catalog::{Target, TargetName, ToolEntry};
use crate::component::{
    self, Block, Body, CallError, Completion, CompletionSubject, Content, Embedded, Level, Outcome,
    Output, Principal, PromptResult,
};

/// A catalog entry as `tools/list` announces it.
pub(super) fn tool(entry: &ToolEntry) -> Tool {
    let known = entry.tool();
    let mut tool = Tool::new_with_raw(
        entry.name.clone(),
        Some(entry.description().to_owned().into()),
        Arc::new(entry.input().source.clone()),
    );
    tool.title = entry.title().map(str::to_owned);
    tool.output_schema = known
        .output_schema
        .as_ref()
        .map(|s| Arc::new(s.source.clone()));
    tool.annotations = known.annotations.as_ref().map(annotations);
    tool.icons = icons(&known.icons);
    tool.meta = known.meta.clone().map(MetaObject);
    tool
}

/// A prompt as `prompts/list` announces it, under the name that clients use.
pub(super) fn prompt(name: &str, known: &component::Prompt) -> Prompt {
    let arguments = known.arguments.iter().map(|known| {
        let mut argument = PromptArgument::new(known.name.clone());
        argument.title.clone_from(&known.title);
        argument.description.clone_from(&known.description);
        argument.required = Some(known.required);
        argument
    });
    let arguments = Some(arguments.collect()).filter(|all: &Vec<_>| !all.is_empty());
    let mut prompt = Prompt::new(name, known.description.clone(), arguments);
    prompt.title.clone_from(&known.title);
    prompt.icons = icons(&known.icons);
    prompt.meta = meta(known.meta.as_deref());
    prompt
}

/// A document as `resources/list` announces it.
pub(super) fn resource(known: &component::Resource) -> Resource {
    let mut resource = Resource::new(known.uri.clone(), known.name.clone());
    resource.title.clone_from(&known.title);
    resource.description.clone_from(&known.description);
    resource.mime_type.clone_from(&known.media_type);
    resource.size = known.size;
    resource.icons = icons(&known.icons);
    resource.annotations = known.audience.clone().map(audience);
    resource.meta = meta(known.meta.as_deref());
    resource
}

/// A family of documents as `resources/templates/list` announces it.
pub(super) fn template(known: &component::Template) -> ResourceTemplate {
    let mut template = ResourceTemplate::new(known.uri_template.clone(), known.name.clone());
    template.title.clone_from(&known.title);
    template.description.clone_from(&known.description);
    template.mime_type.clone_from(&known.media_type);
    template.icons = icons(&known.icons);
    template.annotations = known.audience.clone().map(audience);
    template.meta = meta(known.meta.as_deref());
    template
}

/// A prompt, filled in.
pub(super) fn filled(filled: PromptResult) -> GetPromptResult {
    let messages = filled.messages.into_iter();
    let messages = messages.map(|m| PromptMessage::new(role(&m.role), block(m.content)));
    let mut result = GetPromptResult::new(messages.collect());
    result.description = filled.description;
    result.meta = meta(filled.meta.as_deref());
    result
}

/// A document in its parts.
pub(super) fn document(parts: Vec<Embedded>) -> ReadResourceResult {
    ReadResourceResult::new(parts.into_iter().map(contents).collect())
}

/// What was completed; MCP bounds the number of values.
pub(super) fn completion(completion: Completion) -> CompleteResult {
    let mut values = completion.values;
    let cut = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    info.values = values;
    info.total = completion.total;
    info.has_more = Some(completion.has_more || cut);
    CompleteResult::new(info)
}

/// Whose argument is to be completed, and its name.
pub(super) fn subject(reference: &Reference) -> Option<(TargetName, &str)> {
    match reference {
        Reference::Prompt(prompt) => Some((TargetName::Prompt(prompt.name.clone()), &prompt.name)),
        Reference::Resource(template) => {
            Some((TargetName::Template(template.uri.clone()), &template.uri))
        }
        _ => None,
    }
}

/// The same as its component knows it.
pub(super) fn completed(found: &Target) -> Option<CompletionSubject> {
    match found {
        Target::Prompt(offer) => Some(CompletionSubject::Prompt(offer.item().name.clone())),
        Target::Template(offer) => Some(CompletionSubject::Template(offer.name.clone())),
        Target::Tool(_) | Target::Resource(_) => None,
    }
}

/// Who calls, as components may know it. The token is not part of it.
pub(super) fn caller(principal: &Caller) -> Principal {
    Principal {
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
    result.meta = meta(output.meta.as_deref());
    result
}

/// An outcome where there is nobody to answer questions.
pub(super) fn outcome(outcome: Result<Outcome, CallError>) -> CallToolResult {
    match outcome {
        Ok(Outcome::Complete(output)) => result(output),
        Ok(Outcome::InputRequired(_)) => {
            failure("the tool asks a question back, which only an MCP client can answer")
        }
        Err(error) => failure(error.to_string()),
    }
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

/// A reference token of a JSON Pointer (RFC 6901, section 3).
pub(super) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// `_meta` of a result with who served it (MCP 2026-07-28, `_meta`).
pub(super) fn with_server_info(meta: Option<MetaObject>, server_info: &Value) -> MetaObject {
    let mut meta = meta.map_or_else(JsonObject::new, |meta| meta.0);
    meta.insert(
        "io.modelcontextprotocol/serverInfo".into(),
        server_info.clone(),
    );
    MetaObject(meta)
}

fn annotations(hints: &component::Annotations) -> ToolAnnotations {
    let mut annotations = ToolAnnotations::new();
    annotations.read_only_hint = hints.read_only;
    annotations.destructive_hint = hints.destructive;
    annotations.idempotent_hint = hints.idempotent;
    annotations.open_world_hint = hints.open_world;
    annotations
}

fn icons(icons: &[component::Icon]) -> Option<Vec<Icon>> {
    (!icons.is_empty()).then(|| icons.iter().map(icon).collect())
}

/// A JSON object that the component's checks have parsed before.
fn meta(text: Option<&str>) -> Option<MetaObject> {
    match text.and_then(|text| serde_json::from_str(text).ok()) {
        Some(Value::Object(meta)) => Some(MetaObject(meta)),
        _ => None,
    }
}

fn role(role: &component::Role) -> Role {
    match role {
        component::Role::User => Role::User,
        component::Role::Assistant => Role::Assistant,
    }
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
        Block::Embedded(embedded) => ContentBlock::resource(contents(embedded)),
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

fn contents(embedded: Embedded) -> ResourceContents {
    // The constructors would name a media type where the component names none.
    let (uri, mime_type) = (embedded.uri, embedded.media_type);
    match embedded.body {
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
    }
}

fn audience(audience: component::Audience) -> Annotations {
    let mut annotations = Annotations::default();
    if !audience.roles.is_empty() {
        annotations.audience = Some(audience.roles.iter().map(role).collect());
    }
    annotations.priority = audience.priority;
    annotations.last_modified = audience.last_modified;
    annotations
}
