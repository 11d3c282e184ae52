//! `toolcrib inspect`

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure, configure, report};
use crate::app;
use crate::catalog::{Catalog, Entry, Served};

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

/// A component as JSON, with its tools as they are served.
pub(super) fn describe(catalog: &Catalog, served: &Arc<Served>) -> Value {
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
        "size": component.size,
        "imports": component.imports,
        "tools": tools,
        "skipped": skipped,
    })
}

fn describe_tool(entry: &Entry) -> Value {
    let mut described = json!({
        "name": entry.name,
        "description": entry.description(),
        "inputSchema": entry.input().source,
    });
    if let Some(title) = entry.title() {
        described["title"] = title.into();
    }
    if let Some(output) = &entry.tool().output {
        described["outputSchema"] = Value::Object(output.source.clone());
    }
    described
}

fn print(catalog: &Catalog, served: &Arc<Served>) {
    let component = &served.component;
    say!("{}", component.name);
    say!("  digest   {}", component.digest);
    say!("  size     {} bytes", component.size);
    say!(
        "  imports  {}",
        or_nothing(&component.imports.join("\n           "))
    );
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
        if let Some(output) = &entry.tool().output {
            say!("    result    {}", Value::Object(output.source.clone()));
        }
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
