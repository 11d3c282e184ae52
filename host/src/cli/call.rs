//! `toolcrib call`: calls one tool without a server.

use std::io::Read;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{
    Failure, fail, fail_usage, print_json, print_json_text, print_text, report, say,
};
use crate::catalog::Target;
use crate::component::{self, Block, Body, ClientFeatures, GuestContext, Outcome, ToolResult};
use crate::{app, mcp};

/// Upper limit of arguments read from standard input.
const MAX_INPUT_BYTES: u64 = 4 << 20;
/// Rate key and call id of the only call.
const LOCAL: &str = "local";

#[derive(Args)]
pub(super) struct Call {
    /// A component: a file (`#tool` selects one of its tools), a directory, a glob pattern, https://… or oci://…
    #[arg(value_name = "REF")]
    reference: String,
    /// The tool.
    tool: String,
    /// Its arguments as a JSON object; `-` reads them from standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// Print the result as an MCP `CallToolResult`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigOptions,
}

impl Call {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.config.overrides(vec![self.reference.clone()]);
        let mut config = configure(&overrides, Level::INFO)?;
        let arguments = parse_arguments(&self.arguments)?;
        config.server.max_concurrent_calls = 1;
        let catalog = app::load_to_call(&config)
            .await
            .map_err(|error| report(&error))?;
        let Some(entry) = catalog.tool(&self.tool) else {
            let names: Vec<_> = catalog.tools().map(|entry| entry.name.as_str()).collect();
            return Err(fail(format!(
                "`{}` has no tool `{}`; it has {}",
                self.reference,
                self.tool,
                names.join(", ")
            )));
        };
        let target = Target::Tool(entry.clone());
        let permit = catalog.admit(&target, LOCAL).await.map_err(fail)?;
        let call = component::Call {
            arguments: Arc::new(Value::Object(arguments)),
            answers: Vec::new(),
            state: None,
            context: GuestContext {
                id: LOCAL.into(),
                client_features: ClientFeatures::default(),
                caller: None,
                events: None,
                cancelled: CancellationToken::new(),
                held: None,
                usage: Arc::default(),
                span: None,
            },
        };
        let result = entry.call(call, permit).await;
        if self.json {
            let (value, is_error) = mcp::result_json(result);
            print_json(&value)?;
            return if is_error {
                Err(Failure::Failed)
            } else {
                Ok(())
            };
        }
        match result {
            Ok(Outcome::Complete(output)) => print(&output),
            Ok(Outcome::InputRequired(questions)) => Err(fail(format!(
                "the tool asks a question back ({}), which only an MCP client can answer",
                questions
                    .asked
                    .iter()
                    .map(|question| question.key.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
            Err(error) => Err(fail(error)),
        }
    }
}

/// Parses the arguments from the command line, or from standard input if `text` is `-`.
fn parse_arguments(text: &str) -> Result<Map<String, Value>, Failure> {
    let mut input = String::new();
    let text = if text == "-" {
        let mut stdin = std::io::stdin().lock().take(MAX_INPUT_BYTES);
        stdin
            .read_to_string(&mut input)
            .map_err(|e| fail(format!("the arguments cannot be read: {e}")))?;
        &input
    } else {
        text
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(fail_usage(
            "the arguments must be a JSON object, such as '{\"city\":\"Oslo\"}'",
        )),
        Err(error) => Err(fail_usage(format!(
            "the arguments are not valid JSON: {error}"
        ))),
    }
}

/// Prints text, and one line for each content that a terminal cannot show.
fn print(output: &ToolResult) -> Result<(), Failure> {
    for content in &output.content {
        match &content.block {
            Block::Text(text) => print_text(text)?,
            Block::Image(media) | Block::Audio(media) => {
                say!("[{}, {} bytes]", media.media_type, media.data.len());
            }
            Block::Link(link) => say!("[{}]", link.uri),
            Block::Embedded(embedded) => match &embedded.body {
                Body::Text(text) => {
                    say!("[{}]", embedded.uri);
                    print_text(text)?;
                }
                Body::Binary(bytes) => say!("[{}, {} bytes]", embedded.uri, bytes.len()),
            },
        }
    }
    if output.content.is_empty()
        && let Some(structured) = &output.structured_text
    {
        print_json_text(structured)?;
    }
    Ok(())
}
