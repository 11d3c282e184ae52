//! `toolcrib inspect`

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure, configure, report};
use crate::app;
use crate::catalog::{Catalog, ComponentEntry, Entry, ToolEntry};
use crate::component::{Component, ImportReport, Prompt, Resource, ResourceTemplate};

#[derive(Args)]
pub(super) struct Inspect {
    /// Components: a file (`#tool` selects one of its tools), a directory or a glob pattern.
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

impl Inspect {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.common.overrides(self.references);
        let mut config = configure(&overrides, tracing::Level::WARN)?;
        config.server.max_concurrent_calls = 1;
        let catalog = app::load(&config).await.map_err(|error| report(&error))?;
        let served = catalog.components();
        if self.json {
            let all: Vec<_> = served.iter().map(|one| describe(&catalog, one)).collect();
            say!("{:#}", Value::Array(all));
            return Ok(());
        }
        for (index, served) in served.iter().enumerate() {
            if index > 0 {
                say!();
            }
            print(&catalog, served);
        }
        Ok(())
    }
}

/// A component as JSON, with what it offers as it is served.
pub(super) fn describe(catalog: &Catalog, served: &Arc<ComponentEntry>) -> Value {
    let component = &served.component;
    let tools: Vec<_> = catalog.tools_of(served).map(describe_tool).collect();
    let skipped: Vec<_> = component
        .skipped
        .iter()
        .map(|skipped| json!({ "export": skipped.export, "reason": skipped.reason }))
        .collect();
    json!({
        "name": component.name,
        "digest": component.digest,
        "size": component.size_bytes,
        "imports": component.imports,
        "access": access(component),
        "tools": tools,
        "prompts": catalog.prompts_of(served).map(describe_prompt).collect::<Vec<_>>(),
        "resources": catalog.resources_of(served).map(describe_resource).collect::<Vec<_>>(),
        "resourceTemplates": catalog.templates_of(served).map(describe_family).collect::<Vec<_>>(),
        "skipped": skipped,
    })
}

/// What the imports ask for, what is granted, and what is lacking or not needed.
fn access(component: &Component) -> Vec<Value> {
    let asked = component.import_report();
    let describe = |asked: &ImportReport| {
        json!({
            "key": asked.key,
            "imports": asked.imports,
            "granted": asked.granted,
            "says": asked.to_string(),
        })
    };
    asked.iter().map(describe).collect()
}

fn describe_tool(entry: &ToolEntry) -> Value {
    let mut described = json!({
        "name": entry.name,
        "description": entry.description(),
        "inputSchema": entry.input().source,
    });
    if let Some(title) = entry.title() {
        described["title"] = title.into();
    }
    if let Some(output) = &entry.tool().output_schema {
        described["outputSchema"] = Value::Object(output.source.clone());
    }
    described
}

fn describe_prompt(offer: &Entry<Prompt>) -> Value {
    let prompt = offer.item();
    let arguments = prompt.arguments.iter().map(|argument| {
        let described = json!({ "name": argument.name, "required": argument.required });
        with_texts(described, &argument.title, &argument.description)
    });
    let described = json!({
        "name": offer.name,
        "arguments": arguments.collect::<Vec<_>>(),
    });
    with_texts(described, &prompt.title, &prompt.description)
}

fn describe_resource(offer: &Entry<Resource>) -> Value {
    let resource = offer.item();
    let mut described = json!({ "uri": resource.uri, "name": resource.name });
    if let Some(media_type) = &resource.media_type {
        described["mimeType"] = media_type.as_str().into();
    }
    if let Some(size) = resource.size {
        described["size"] = size.into();
    }
    with_texts(described, &resource.title, &resource.description)
}

fn describe_family(offer: &Entry<ResourceTemplate>) -> Value {
    let template = &offer.item().template;
    let mut described = json!({ "uriTemplate": template.uri_template, "name": template.name });
    if let Some(media_type) = &template.media_type {
        described["mimeType"] = media_type.as_str().into();
    }
    with_texts(described, &template.title, &template.description)
}

fn with_texts(mut described: Value, title: &Option<String>, description: &Option<String>) -> Value {
    if let Some(title) = title {
        described["title"] = title.as_str().into();
    }
    if let Some(description) = description {
        described["description"] = description.as_str().into();
    }
    described
}

fn print(catalog: &Catalog, served: &Arc<ComponentEntry>) {
    let component = &served.component;
    say!("{}", component.name);
    say!("  digest   {}", component.digest);
    say!("  size     {} bytes", component.size_bytes);
    say!(
        "  imports  {}",
        or_nothing(&component.imports.join("\n           "))
    );
    for asked in component.import_report() {
        say!("  access   {asked}");
    }
    for (index, skipped) in component.skipped.iter().enumerate() {
        let heading = if index == 0 { "skipped" } else { "" };
        say!("  {heading:<8} {}: {}", skipped.export, skipped.reason);
    }
    for entry in catalog.tools_of(served) {
        say!("\n  {}", entry.name);
        if let Some(title) = entry.title() {
            say!("    {title}");
        }
        for line in entry.description().lines() {
            say!("    {line}");
        }
        let arguments = Value::Object(entry.input().source.clone());
        say!("    arguments {arguments}");
        if let Some(output) = &entry.tool().output_schema {
            say!("    result    {}", Value::Object(output.source.clone()));
        }
    }
    for offer in catalog.prompts_of(served) {
        let prompt = offer.item();
        say!("\n  prompt {}", offer.name);
        print_texts(&prompt.title, &prompt.description);
        for argument in &prompt.arguments {
            let optional = if argument.required { "" } else { " (optional)" };
            say!("    argument  {}{optional}", argument.name);
        }
    }
    for offer in catalog.resources_of(served) {
        let resource = offer.item();
        say!("\n  resource {}", offer.name);
        print_texts(&resource.title, &resource.description);
        print_media_type(&resource.media_type);
    }
    for offer in catalog.templates_of(served) {
        let template = &offer.item().template;
        say!("\n  template {}", offer.name);
        print_texts(&template.title, &template.description);
        print_media_type(&template.media_type);
    }
}

fn print_texts(title: &Option<String>, description: &Option<String>) {
    for line in title
        .iter()
        .chain(description)
        .flat_map(|text| text.lines())
    {
        say!("    {line}");
    }
}

fn print_media_type(media_type: &Option<String>) {
    if let Some(media_type) = media_type {
        say!("    type      {media_type}");
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
