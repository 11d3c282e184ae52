//! `toolcrib inspect`

use clap::Args;
use serde_json::{Value, json};

use super::{Common, Failure, configure, report};
use crate::app;
use crate::catalog::Served;
use crate::component::{Asked, Component, Tool};

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
    json!({
        "name": component.name,
        "digest": component.digest,
        "size": component.size,
        "imports": component.imports,
        "access": access(component),
        "tools": tools,
    })
}

/// What the imports ask for, what is granted, and what is lacking or not needed.
fn access(component: &Component) -> Vec<Value> {
    let asked = component.asked();
    let describe = |asked: &Asked| {
        json!({
            "key": asked.key,
            "imports": asked.imports,
            "granted": asked.granted,
            "says": asked.to_string(),
        })
    };
    asked.iter().map(describe).collect()
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
    for asked in component.asked() {
        say!("  access   {asked}");
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
