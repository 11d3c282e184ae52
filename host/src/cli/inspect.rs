//! `toolcrib inspect`: shows what components have and what they import.

use clap::Args;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tracing::Level;

use super::inspect_parts as parts;
use super::options::{ConfigOptions, configure};
use super::output::{Failure, json_line, print_json, report, say};
use crate::app;
use crate::catalog::{
    Catalog, ComponentEntry, PromptEntry, ResourceEntry, TemplateEntry, ToolEntry,
};
use crate::component::{Component, ImportReport};

#[derive(Args)]
pub(super) struct Inspect {
    /// Components: files (`#tool` selects one tool of a file), directories, glob patterns, https://… or oci://…
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigOptions,
}

impl Inspect {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.config.overrides(self.references);
        let mut config = configure(&overrides, Level::WARN)?;
        config.server.max_concurrent_calls = 1;
        let loaded = app::load_apart(&config).await;
        let (catalogs, refused) = loaded.map_err(|error| report(&error))?;
        let entries = catalogs.iter().flat_map(|catalog| {
            let entries = catalog.components().iter();
            entries.map(move |entry| (catalog, entry))
        });
        if self.json {
            if !catalogs.is_empty() {
                let components = entries.map(|(catalog, entry)| describe(catalog, entry));
                print_json(&components.collect())?;
            }
        } else {
            for (index, (catalog, entry)) in entries.enumerate() {
                if index > 0 {
                    say!("");
                }
                print(catalog, entry)?;
            }
        }
        match refused {
            None => Ok(()),
            Some(error) => Err(report(&error)),
        }
    }
}

/// Describes a component in JSON, with its tools, prompts and resources as clients see them.
pub(super) fn describe(catalog: &Catalog, entry: &Arc<ComponentEntry>) -> Value {
    let component = &entry.component;
    let skipped: Vec<_> = component
        .skipped
        .iter()
        .map(|skipped| json!({ "export": skipped.export, "reason": skipped.reason }))
        .collect();
    json!({
        "name": component.name,
        "digest": component.digest,
        "parts": parts::describe(component),
        "signedBy": component.signed_by,
        "size": component.size_bytes,
        "memory": component.memory_bytes,
        "mounts": catalog.mounts_of(entry).map(|mount| &mount.path).collect::<Vec<_>>(),
        "imports": component.imports,
        "stubbed": component.stubbed,
        "access": describe_access(component),
        "tools": catalog.tools_of(entry).map(describe_tool).collect::<Vec<_>>(),
        "prompts": catalog.prompts_of(entry).map(describe_prompt).collect::<Vec<_>>(),
        "resources": catalog.resources_of(entry).map(describe_resource).collect::<Vec<_>>(),
        "resourceTemplates": catalog.templates_of(entry).map(describe_template).collect::<Vec<_>>(),
        "skipped": skipped,
    })
}

/// Describes which grants the imports need, which they have, and which are unused.
fn describe_access(component: &Component) -> Vec<Value> {
    let describe = |report: &ImportReport| {
        json!({
            "key": report.key,
            "imports": report.imports,
            "granted": report.granted,
            "says": report.to_string(),
        })
    };
    component.import_report().iter().map(describe).collect()
}

fn describe_tool(entry: &ToolEntry) -> Value {
    let mut description = json!({
        "name": entry.name,
        "description": entry.description(),
        "inputSchema": entry.input().source,
    });
    if let Some(title) = entry.title() {
        description["title"] = title.into();
    }
    if let Some(output) = &entry.tool().output_schema {
        description["outputSchema"] = Value::Object(output.source.clone());
    }
    let hints = hints(entry);
    if !hints.is_empty() {
        let hints = hints.into_iter();
        let hints = hints.map(|(_, hint, value)| (hint.to_owned(), Value::Bool(value)));
        let hints: Map<String, Value> = hints.collect();
        description["annotations"] = hints.into();
    }
    description
}

/// Returns the annotations of a tool: the key of the configuration, the name in MCP, and the value.
fn hints(entry: &ToolEntry) -> Vec<(&'static str, &'static str, bool)> {
    let Some(own) = entry.annotations() else {
        return Vec::new();
    };
    let hints = [
        ("read-only", "readOnlyHint", own.read_only),
        ("destructive", "destructiveHint", own.destructive),
        ("idempotent", "idempotentHint", own.idempotent),
        ("open-world", "openWorldHint", own.open_world),
    ];
    let hints = hints.into_iter();
    hints
        .filter_map(|(key, hint, value)| Some((key, hint, value?)))
        .collect()
}

fn describe_prompt(entry: &PromptEntry) -> Value {
    let prompt = entry.item();
    let arguments = prompt.arguments.iter().map(|argument| {
        let description = json!({ "name": argument.name, "required": argument.required });
        with_texts(description, &argument.title, &argument.description)
    });
    let description = json!({
        "name": entry.name,
        "arguments": arguments.collect::<Vec<_>>(),
    });
    with_texts(description, &prompt.title, &prompt.description)
}

fn describe_resource(entry: &ResourceEntry) -> Value {
    let resource = entry.item();
    let mut description = json!({ "uri": entry.name, "name": resource.name });
    if let Some(media_type) = &resource.media_type {
        description["mimeType"] = media_type.as_str().into();
    }
    if let Some(size) = resource.size {
        description["size"] = size.into();
    }
    with_texts(description, &resource.title, &resource.description)
}

fn describe_template(entry: &TemplateEntry) -> Value {
    let template = &entry.item().template;
    let mut description = json!({ "uriTemplate": entry.name, "name": template.name });
    if let Some(media_type) = &template.media_type {
        description["mimeType"] = media_type.as_str().into();
    }
    with_texts(description, &template.title, &template.description)
}

fn with_texts(mut value: Value, title: &Option<String>, description: &Option<String>) -> Value {
    if let Some(title) = title {
        value["title"] = title.as_str().into();
    }
    if let Some(description) = description {
        value["description"] = description.as_str().into();
    }
    value
}

fn print(catalog: &Catalog, entry: &Arc<ComponentEntry>) -> Result<(), Failure> {
    let component = &entry.component;
    say!("{}", component.name);
    say!("  digest   {}", component.digest);
    if let Some(signer) = &component.signed_by {
        say!("  signed   by {signer}");
    }
    say!("  size     {} bytes", component.size_bytes);
    if let Some(bytes) = component.memory_bytes {
        say!("  memory   {bytes} bytes at the start of a call");
    }
    for mount in catalog.mounts_of(entry) {
        say!("  mount    {}", mount.path);
    }
    parts::print(component)?;
    if component.imports.is_empty() {
        say!("  imports  nothing");
    }
    for (index, import) in component.imports.iter().enumerate() {
        let heading = if index == 0 { "imports" } else { "" };
        say!("  {heading:<8} {import}");
    }
    for report in component.import_report() {
        say!("  access   {report}");
    }
    for import in &component.stubbed {
        say!("  stub     {import}: the host does not have it");
    }
    for (index, skipped) in component.skipped.iter().enumerate() {
        let heading = if index == 0 { "skipped" } else { "" };
        say!("  {heading:<8} {}: {}", skipped.export, skipped.reason);
    }
    for tool in catalog.tools_of(entry) {
        say!("");
        say!("  {}", tool.name);
        if let Some(title) = tool.title() {
            say!("    {title}");
        }
        for line in tool.description().lines() {
            say!("    {line}");
        }
        let hints = hints(tool);
        if !hints.is_empty() {
            let hints = hints
                .iter()
                .map(|(key, _, value)| format!("{key} = {value}"));
            say!("    hints     {}", hints.collect::<Vec<_>>().join(", "));
        }
        let arguments = Value::Object(tool.input().source.clone());
        say!("    arguments {}", json_line(&arguments));
        if let Some(output) = &tool.tool().output_schema {
            let output = Value::Object(output.source.clone());
            say!("    result    {}", json_line(&output));
        }
    }
    for prompt in catalog.prompts_of(entry) {
        say!("");
        say!("  prompt {}", prompt.name);
        let prompt = prompt.item();
        print_texts(&prompt.title, &prompt.description)?;
        for argument in &prompt.arguments {
            let optional = if argument.required { "" } else { " (optional)" };
            say!("    argument  {}{optional}", argument.name);
        }
    }
    for resource in catalog.resources_of(entry) {
        say!("");
        say!("  resource {}", resource.name);
        let resource = resource.item();
        print_texts(&resource.title, &resource.description)?;
        print_media_type(&resource.media_type)?;
    }
    for template in catalog.templates_of(entry) {
        say!("");
        say!("  template {}", template.name);
        let template = &template.item().template;
        print_texts(&template.title, &template.description)?;
        print_media_type(&template.media_type)?;
    }
    Ok(())
}

fn print_texts(title: &Option<String>, description: &Option<String>) -> Result<(), Failure> {
    let texts = title.iter().chain(description);
    for line in texts.flat_map(|text| text.lines()) {
        say!("    {line}");
    }
    Ok(())
}

fn print_media_type(media_type: &Option<String>) -> Result<(), Failure> {
    if let Some(media_type) = media_type {
        say!("    type      {media_type}");
    }
    Ok(())
}
