//! Conversion between the types of the component contract and those of MCP.

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
    self, Block, Body, CallError, Completion, CompletionSubject, Content, DescribeCaller, Embedded,
    Level, Outcome, Principal, PromptResult, ToolResult,
};

/// Converts a catalog entry to its form in `tools/list`.
pub(super) fn tool(entry: &ToolEntry) -> Tool {
    let definition = entry.tool();
    let mut tool = Tool::new_with_raw(
        entry.name.clone(),
        Some(entry.description().to_owned().into()),
        Arc::new(entry.input().source.clone()),
    );
    tool.title = entry.title().map(str::to_owned);
    tool.output_schema = definition
        .output_schema
        .as_ref()
        .map(|s| Arc::new(s.source.clone()));
    tool.annotations = entry.annotations().map(annotations);
    tool.icons = icons(&definition.icons);
    tool.meta = definition.meta.clone().map(MetaObject);
    tool
}

/// Converts a prompt to its form in `prompts/list`, under the name that clients use.
pub(super) fn prompt(name: &str, definition: &component::Prompt) -> Prompt {
    let arguments = definition.arguments.iter().map(|declared| {
        let mut argument = PromptArgument::new(declared.name.clone());
        argument.title.clone_from(&declared.title);
        argument.description.clone_from(&declared.description);
        argument.required = Some(declared.required);
        argument
    });
    let arguments = Some(arguments.collect()).filter(|all: &Vec<_>| !all.is_empty());
    let mut prompt = Prompt::new(name, definition.description.clone(), arguments);
    prompt.title.clone_from(&definition.title);
    prompt.icons = icons(&definition.icons);
    prompt.meta = meta(definition.meta.as_deref());
    prompt
}

/// Converts a resource to its form in `resources/list`.
pub(super) fn resource(definition: &component::Resource) -> Resource {
    let mut resource = Resource::new(definition.uri.clone(), definition.name.clone());
    resource.title.clone_from(&definition.title);
    resource.description.clone_from(&definition.description);
    resource.mime_type.clone_from(&definition.media_type);
    resource.size = definition.size;
    resource.icons = icons(&definition.icons);
    resource.annotations = definition.audience.clone().map(audience);
    resource.meta = meta(definition.meta.as_deref());
    resource
}

/// Converts a resource template to its form in `resources/templates/list`.
pub(super) fn template(definition: &component::Template) -> ResourceTemplate {
    let mut template =
        ResourceTemplate::new(definition.uri_template.clone(), definition.name.clone());
    template.title.clone_from(&definition.title);
    template.description.clone_from(&definition.description);
    template.mime_type.clone_from(&definition.media_type);
    template.icons = icons(&definition.icons);
    template.annotations = definition.audience.clone().map(audience);
    template.meta = meta(definition.meta.as_deref());
    template
}

/// Converts the messages of a prompt to the result of `prompts/get`.
pub(super) fn prompt_result(filled: PromptResult) -> GetPromptResult {
    let messages = filled.messages.into_iter();
    let messages = messages.map(|m| PromptMessage::new(role(&m.role), block(m.content)));
    let mut result = GetPromptResult::new(messages.collect());
    result.description = filled.description;
    result.meta = meta(filled.meta.as_deref());
    result
}

/// Converts the contents of a resource to the result of `resources/read`.
pub(super) fn resource_result(parts: Vec<Embedded>) -> ReadResourceResult {
    ReadResourceResult::new(parts.into_iter().map(contents).collect())
}

/// Converts completion values to the result of `completion/complete`, which may contain a limited number of them.
pub(super) fn completion(completion: Completion) -> CompleteResult {
    let mut values = completion.values;
    let is_truncated = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    info.values = values;
    info.total = completion.total;
    info.has_more = Some(completion.has_more || is_truncated);
    CompleteResult::new(info)
}

/// Returns the target whose argument is to be completed, and its name.
pub(super) fn completion_target(reference: &Reference) -> Option<(TargetName, &str)> {
    match reference {
        Reference::Prompt(prompt) => Some((TargetName::Prompt(prompt.name.clone()), &prompt.name)),
        Reference::Resource(template) => {
            Some((TargetName::Template(template.uri.clone()), &template.uri))
        }
        _ => None,
    }
}

/// Returns the same target under the name that its component knows.
pub(super) fn completion_subject(target: &Target) -> Option<CompletionSubject> {
    match target {
        Target::Prompt(entry) => Some(CompletionSubject::Prompt(entry.item().name.clone())),
        Target::Template(entry) => Some(CompletionSubject::Template(
            entry.item().template.uri_template.clone(),
        )),
        Target::Tool(_) | Target::Resource(_) => None,
    }
}

impl DescribeCaller for Caller {
    /// The description does not contain the token.
    fn describe(&self) -> Principal {
        Principal {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            client_id: self.client_id.clone(),
            scopes: self.scopes.clone(),
            claims: Value::Object(self.claims.clone()).to_string(),
        }
    }
}

/// Converts the result of a tool to that of `tools/call`. Structured content without other content is repeated as text
/// for clients that do not read it (MCP, tools, structured content).
pub(super) fn result(result: ToolResult) -> CallToolResult {
    let mut content: Vec<_> = result.content.into_iter().map(block).collect();
    if content.is_empty()
        && let Some(text) = result.structured_text
    {
        content.push(ContentBlock::text(text));
    }
    let mut converted = match result.is_error {
        true => CallToolResult::error(content),
        false => CallToolResult::success(content),
    };
    converted.structured_content = result.structured;
    converted.meta = result.meta.map(MetaObject);
    converted
}

/// Converts an outcome for a caller that cannot answer input requests.
pub(super) fn outcome(outcome: Result<Outcome<ToolResult>, CallError>) -> CallToolResult {
    match outcome {
        Ok(Outcome::Complete(output)) => result(output),
        Ok(Outcome::InputRequired(_)) => {
            failure("the tool asks a question back, which only an MCP client can answer")
        }
        Err(error) => failure(error.to_string()),
    }
}

/// Returns a tool error whose sentence the model reads.
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

/// Returns the severity rank of a level, from the lowest to the highest (RFC 5424).
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

/// Escapes a reference token of a JSON Pointer (RFC 6901, section 3).
pub(super) fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Adds the server's name and version to the `_meta` of a result (MCP 2026-07-28, `_meta`).
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

/// Converts `_meta`, which the component's checks have already parsed as a JSON object.
fn meta(text: Option<&str>) -> Option<MetaObject> {
    match text.and_then(|text| component::parse_guest_json(text).ok()) {
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
    let mut converted = Icon::new(icon.src.clone());
    converted.mime_type.clone_from(&icon.media_type);
    converted.sizes = (!icon.sizes.is_empty()).then(|| icon.sizes.clone());
    converted
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
    // The constructors would set a default media type where the component gives none.
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
