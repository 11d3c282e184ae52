//! `toolcrib call`: calls one tool without a server.

mod schema_types;

mod arguments;
mod saved_files;
mod table;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{
    Failure, Style, fail, fail_usage, notice, print_json, print_json_text, print_raw, print_text,
    report, say,
};
use crate::catalog::{Target, ToolEntry};
use crate::component::{
    self, Block, Body, CallError, ClientFeatures, Event, GuestContext, Outcome, ToolResult,
};
use crate::{app, mcp};
use arguments::Given;

/// Rate key and call id of the only call.
const LOCAL: &str = "local";
/// Events that wait to be printed. The guest waits when there are more.
const MAX_WAITING_EVENTS: usize = 16;

#[derive(Args)]
pub(super) struct Call {
    /// A component: a file (`#tool` selects one of its tools), a directory, a glob pattern, https://… or oci://…
    #[arg(value_name = "REF")]
    reference: String,
    /// The tool.
    tool: String,
    /// Its arguments: `name=value` pairs, or a JSON object; `-` reads a JSON object from standard input.
    ///
    /// The tool's schema gives the values their types. A name that is repeated makes an array.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// Print the result as an MCP `CallToolResult`.
    #[arg(long)]
    json: bool,
    /// Write pictures and other binary content of the result to new files in a folder.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the progress of the call to standard error.
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    config: ConfigOptions,
}

impl Call {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.config.overrides(vec![self.reference.clone()]);
        let mut config = configure(&overrides, Level::INFO)?;
        let given = Given::read(&self.arguments).map_err(fail_usage)?;
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
        let arguments = given
            .convert(&entry.input().source)
            .map_err(|error| self.fail_with_usage(entry, fail_usage(error)))?;
        if let Some(folder) = &self.output {
            saved_files::create_folder(folder).map_err(fail)?;
        }
        let target = Target::Tool(entry.clone());
        let permit = catalog.admit(&target, LOCAL).await.map_err(fail)?;
        let (events, printing) = self.print_progress();
        let result = entry.call(call(arguments, events), permit).await;
        if let Some(printing) = printing {
            // Ends with the guest, and does not panic.
            let _ = printing.await;
        }
        let files = match (&self.output, &result) {
            (Some(folder), Ok(Outcome::Complete(result))) => {
                saved_files::save(folder, &self.tool, result).map_err(fail)?
            }
            _ => Vec::new(),
        };
        if self.json {
            for file in files.iter().flatten() {
                notice(format!("wrote {}", file.display()));
            }
            let (value, is_error) = mcp::result_json(result);
            print_json(&value)?;
            return match is_error {
                true => Err(Failure::Failed),
                false => Ok(()),
            };
        }
        match result {
            Ok(Outcome::Complete(output)) => {
                print(&output, &files)?;
                match output.is_error {
                    true => Err(Failure::Failed),
                    false => Ok(()),
                }
            }
            Ok(Outcome::InputRequired(questions)) => Err(fail(format!(
                "the tool asks a question back ({}), which only an MCP client can answer",
                questions
                    .asked
                    .iter()
                    .map(|question| question.key.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
            Err(error @ CallError::InvalidArguments(_)) => {
                Err(self.fail_with_usage(entry, fail(error)))
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// Prints how the tool is called, after an error in its arguments.
    fn fail_with_usage(&self, entry: &ToolEntry, failure: Failure) -> Failure {
        let usage = arguments::usage(&entry.input().source);
        let usage = format!(
            "usage: toolcrib call {} {} {usage}",
            self.reference, self.tool
        );
        notice(usage.trim_end());
        failure
    }

    /// Starts to print progress, if that is wanted.
    fn print_progress(
        &self,
    ) -> (
        Option<mpsc::Sender<Event>>,
        Option<tokio::task::JoinHandle<()>>,
    ) {
        if !self.progress {
            return (None, None);
        }
        let (sender, mut events) = mpsc::channel(MAX_WAITING_EVENTS);
        let printing = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Progress {
                    done,
                    total,
                    message,
                } = event
                {
                    let total = total.map(|total| format!("/{total}")).unwrap_or_default();
                    let message = message.map(|text| format!(" {text}")).unwrap_or_default();
                    notice(format!("progress: {done}{total}{message}"));
                }
            }
        });
        (Some(sender), Some(printing))
    }
}

fn call(arguments: Map<String, Value>, events: Option<mpsc::Sender<Event>>) -> component::Call {
    component::Call {
        arguments: Arc::new(Value::Object(arguments)),
        answers: Vec::new(),
        state: None,
        context: GuestContext {
            id: LOCAL.into(),
            client_features: ClientFeatures::default(),
            caller: None,
            events,
            cancelled: CancellationToken::new(),
            held: None,
            usage: Arc::default(),
            span: None,
        },
    }
}

/// Prints text, and one line for each content that a terminal cannot show. A terminal gets structured content as tables.
fn print(output: &ToolResult, files: &[Option<PathBuf>]) -> Result<(), Failure> {
    let style = Style::of_stdout();
    if style.is_terminal
        && let Some(structured) = output.structured.as_ref().filter(|_| is_only_json(output))
        && let Some(text) = table::render(structured, style)
    {
        return print_raw(text.as_bytes());
    }
    for (index, content) in output.content.iter().enumerate() {
        let place = match files.get(index) {
            Some(Some(path)) => format!(": {}", path.display()),
            _ => String::new(),
        };
        match &content.block {
            Block::Text(text) => print_text(text)?,
            Block::Image(media) | Block::Audio(media) => {
                say!("[{}, {} bytes{place}]", media.media_type, media.data.len());
            }
            Block::Link(link) => say!("[{}]", link.uri),
            Block::Embedded(embedded) => match &embedded.body {
                Body::Text(text) => {
                    say!("[{}]", embedded.uri);
                    print_text(text)?;
                }
                Body::Binary(bytes) => say!("[{}, {} bytes{place}]", embedded.uri, bytes.len()),
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

/// Returns whether the content is nothing but the structured content as JSON.
fn is_only_json(output: &ToolResult) -> bool {
    match &output.content[..] {
        [] => true,
        [content] => match &content.block {
            Block::Text(text) => serde_json::from_str::<Value>(text).ok() == output.structured,
            _ => false,
        },
        _ => false,
    }
}
