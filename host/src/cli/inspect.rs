//! `toolcrib inspect`

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure, configure, report};
use crate::app;
use crate::catalog::Served;
use crate::component::Tool;

#[derive(Args)]
pub(super) struct Inspect {
    /// Components: a file, a directory or a glob pattern.
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
            let all: Vec<_> = served.iter().map(|served| describe(served)).collect();
            say!("{:#}", Value::Array(all));
            return Ok(());
        }
        for (index, served) in served.iter().enumerate() {
            if index > 0 {
                say!();
            }
            print(served);
        }
        Ok(())
    }
}

/// A component as JSON.
pub(super) fn describe(served: &Served) -> Value {
    let component = &served.component;
    let tools: Vec<_> = component
        .tools
        .iter()
        .map(|tool| describe_tool(served, tool))
        .collect();
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

fn describe_tool(served: &Served, tool: &Tool) -> Value {
    let mut described = json!({
        "name": format!("{}{}", served.prefix, tool.name),
        "description": tool.description,
        "inputSchema": tool.input.source,
    });
    if let Some(title) = &tool.title {
        described["title"] = title.as_str().into();
    }
    if let Some(output) = &tool.output {
        described["outputSchema"] = Value::Object(output.source.clone());
    }
    described
}

fn print(served: &Served) {
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
    for tool in &component.tools {
        say!("\n  {}{}", served.prefix, tool.name);
        if let Some(title) = &tool.title {
            say!("    {title}");
        }
        for line in tool.description.lines() {
            say!("    {line}");
        }
        say!("    arguments {}", Value::Object(tool.input.source.clone()));
        if let Some(output) = &tool.output {
            say!("    result    {}", Value::Object(output.source.clone()));
        }
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
