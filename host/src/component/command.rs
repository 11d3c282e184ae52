//! Commands as tools: a component that exports `wasi:cli/run` and offers nothing else is one tool, which takes the
//! command's arguments and standard input and returns its output and exit code.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex};

use super::contract::{self, Block, Content, Guest, GuestError, PreparedStore};
use super::definitions::{MAX_NAME_BYTES, TaskMode, Tool, display_name};
use super::exported::{Callee, Exported, ExportedOutput, ExportedTool, PreparedCall, Run};
use super::guest_json;
use super::schema::{PatternSpace, Root, Schema, Strings};
use super::tool_result::ToolResult;
use crate::boxed_future::boxed_future;
use crate::sandbox::{self, CapturedOutput, CommandInput};

/// The exported interface, without the patch of its versions.
const INTERFACES: [&str; 2] = ["wasi:cli/run@0.2.", "wasi:cli/run@0.3."];
/// Maximum number of arguments, as on most systems.
const MAX_ARGUMENTS: usize = 10_000;

/// Adds the tool of a component that exports a command and offers nothing else. `name` is the component's.
pub(super) fn discover(
    exported: &mut Exported,
    engine: &Engine,
    component: &Component,
    name: &str,
) {
    let ty = component.component_type();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name).collect();
    let offers_more = exports
        .iter()
        .any(|name| contract::is_contract_interface(name));
    let is_command = |name: &&&str| INTERFACES.iter().any(|prefix| name.starts_with(prefix));
    let interface = exports.iter().find(is_command);
    let Some(interface) = interface.filter(|_| exported.tools.is_empty() && !offers_more) else {
        return;
    };
    let run = component
        .get_export_index(None, interface)
        .and_then(|instance| component.get_export_index(Some(&instance), "run"));
    let (Some(run), Ok(tool)) = (run, tool(name)) else {
        return;
    };
    let export = format!("{interface}#run");
    exported.skipped.remove(&export);
    let name = tool.name.clone();
    exported.tools.push(ExportedTool {
        tool,
        export,
        callee: Arc::new(Command { run, name }),
    });
}

fn tool(component: &str) -> Result<Tool, String> {
    let mut space = PatternSpace::new();
    let input = json!({
        "type": "object",
        "properties": {
            "args": {
                "type": "array",
                "items": { "type": "string" },
                "description": "The arguments of the command, without its name.",
            },
            "stdin": { "type": "string", "description": "The text on its standard input." },
        },
        "additionalProperties": false,
    });
    let output = json!({
        "type": "object",
        "properties": {
            "stdout": { "type": "string" },
            "stderr": { "type": "string" },
            "exit-code": { "type": "integer" },
        },
        "required": ["stdout", "stderr", "exit-code"],
        "additionalProperties": false,
    });
    Ok(Tool {
        name: tool_name(component),
        title: None,
        description: format!(
            "Runs the command `{}`. Returns its standard output, its standard error and its exit code.",
            display_name(component)
        ),
        input_schema: Schema::new(&input.to_string(), Root::Object, &mut space)?,
        output_schema: Some(Schema::new(&output.to_string(), Root::Any, &mut space)?),
        annotations: None,
        icons: Vec::new(),
        meta: None,
        task: TaskMode::default(),
        cpu_profile: Arc::default(),
    })
}

/// Returns the component's name with the characters that a tool's name can have.
fn tool_name(component: &str) -> String {
    let to_allowed = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => c,
        _ => '_',
    };
    let name: String = component
        .chars()
        .take(MAX_NAME_BYTES)
        .map(to_allowed)
        .collect();
    match name.is_empty() {
        true => "command".into(),
        false => name,
    }
}

/// An exported command.
struct Command {
    run: ComponentExportIndex,
    /// Its name as the first argument.
    name: String,
}

impl Callee for Command {
    fn prepare(
        self: Arc<Self>,
        arguments: &Value,
        strings: Strings,
    ) -> Result<Box<dyn PreparedCall>, String> {
        let empty = Map::new();
        let members = arguments.as_object().unwrap_or(&empty);
        let unknown = members
            .keys()
            .find(|name| !["args", "stdin"].contains(&name.as_str()));
        if let Some(name) = unknown {
            let name = display_name(name);
            return Err(format!(
                "`/{name}`: a command takes `args` and `stdin` alone"
            ));
        }
        let mut args = vec![self.name.clone()];
        if let Some(given) = members.get("args") {
            args.extend(read_arguments(given, strings)?);
        }
        let stdin = match members.get("stdin") {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err("`/stdin`: must be a string".into()),
        };
        let input = CommandInput {
            args,
            stdin: stdin.into(),
        };
        Ok(Box::new(PreparedCommand {
            command: self,
            input,
        }))
    }
}

/// Reads `args`: an array of strings, or its JSON in a string if `strings` allows it.
fn read_arguments(given: &Value, strings: Strings) -> Result<Vec<String>, String> {
    let parsed = match given {
        Value::String(text) if matches!(strings, Strings::Lenient) => guest_json::parse(text).ok(),
        _ => None,
    };
    let Some(Value::Array(given)) = parsed.as_ref().or(Some(given)) else {
        return Err("`/args`: must be an array of strings".into());
    };
    if given.len() > MAX_ARGUMENTS {
        return Err(format!("`/args`: has more than {MAX_ARGUMENTS} entries"));
    }
    let arguments = given
        .iter()
        .enumerate()
        .map(|(index, argument)| match argument {
            // A command written in C would see the text before it only.
            Value::String(text) if text.contains('\0') => {
                Err(format!("`/args/{index}`: contains the character U+0000"))
            }
            Value::String(text) => Ok(text.clone()),
            _ => Err(format!("`/args/{index}`: must be a string")),
        });
    arguments.collect()
}

/// A command with its arguments.
struct PreparedCommand {
    command: Arc<Command>,
    input: CommandInput,
}

impl PreparedCall for PreparedCommand {
    fn run(
        self: Box<Self>,
        guest: Arc<Guest>,
        mut store: PreparedStore,
        max_output_bytes: usize,
    ) -> Run {
        boxed_future(|| async move {
            let output = sandbox::start_command(&mut store.store, self.input, max_output_bytes);
            let call = async {
                let instance = store.instantiate(&guest).await?;
                let run = instance
                    .get_typed_func::<(), (Result<(), ()>,)>(&mut store.store, &self.command.run)?;
                run.call_async(&mut store.store, ()).await
            };
            let exit_code = match call.await {
                _ if output.has_overflowed() => return Err(GuestError::OutputTooLarge),
                Ok((Ok(()),)) => 0,
                Ok((Err(()),)) => 1,
                Err(error) => match sandbox::exit_status(&error) {
                    Some(status) => status,
                    None => return Err(contract::trap(error, &store.store)),
                },
            };
            Ok(result(output, exit_code))
        })
    }
}

/// Returns the output as structured content, and as text for clients that do not read it.
fn result(output: CapturedOutput, exit_code: i32) -> ExportedOutput {
    let (stdout, stderr) = output.take();
    let mut texts = vec![stdout.clone(), stderr.clone()];
    if exit_code != 0 {
        texts.push(format!("exit code {exit_code}"));
    }
    let content = texts.into_iter().filter(|text| !text.is_empty());
    ExportedOutput {
        size_bytes: stdout.len() + stderr.len(),
        result: ToolResult {
            content: content
                .map(|text| Content {
                    block: Block::Text(text),
                    audience: None,
                })
                .collect(),
            structured: Some(json!({
                "stdout": stdout,
                "stderr": stderr,
                "exit-code": exit_code,
            })),
            is_error: exit_code != 0,
            ..ToolResult::default()
        },
    }
}
