//! Calls of a loaded component. Each runs in an instance of its own; arguments are checked before it, output after it.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::call_error::{CallError, TargetKind};
use super::contract::{
    Answer, Completion, CompletionRequest, Embedded, GuestContext, Outcome, Prompt, PromptRequest,
    PromptResult, ResourceRequest, ToolRequest,
};
use super::definitions::Tool;
use super::execute::{CallTarget, invalid_output};
use super::load::Component;
use super::tool_result::{self, ToolResult};

/// One call with arguments of type `A`.
pub struct Call<A = Arc<Value>> {
    /// The arguments from the client; those of a tool are a JSON object.
    pub arguments: A,
    /// The client's answers to questions of earlier rounds.
    pub answers: Vec<Answer>,
    /// The guest's state from the previous round.
    pub state: Option<Vec<u8>>,
    /// The caller, and the ways to reach the client.
    pub context: GuestContext,
}

impl Component {
    /// Calls a tool.
    ///
    /// # Errors
    /// The reason why there is no result.
    pub async fn call(&self, tool: &Tool, call: Call) -> Result<Outcome<ToolResult>, CallError> {
        let arguments = call.arguments;
        let guest = self.guest.clone();
        let target = CallTarget {
            kind: TargetKind::Tool,
            name: &tool.name,
        };
        if let Some(callee) = self.callees.get(&tool.name) {
            self.check_size(&*arguments, &call.answers)?;
            // The types check the arguments in place of the schema generated from them: the error messages are clearer,
            // and the work grows with the arguments alone. The result needs no schema check for the same reason.
            let prepared = callee
                .clone()
                .prepare(&arguments, self.strings())
                .map_err(CallError::InvalidArguments)?;
            let max_bytes = self.limits.output_bytes;
            let run = move |store| prepared.run(guest, store, max_bytes);
            let output = self
                .execute(target, call.context, &tool.cpu_profile, run)
                .await?;
            return Ok(Outcome::Complete(output.result));
        }
        let mut text = self.serialize(&arguments, &call.answers)?;
        let converted = self
            .validate(&tool.input_schema, &arguments)
            .await
            .map_err(CallError::InvalidArguments)?;
        if let Some(converted) = converted {
            text = self.serialize(&converted, &call.answers)?;
        }
        let request = ToolRequest {
            tool: tool.name.clone(),
            arguments: text,
            answers: call.answers,
            state: call.state,
        };
        let run = move |store| guest.call_tool(store, request);
        let outcome = self
            .execute(target, call.context, &tool.cpu_profile, run)
            .await?;
        let output = match outcome {
            Outcome::Complete(output) => output,
            Outcome::InputRequired(questions) => return Ok(Outcome::InputRequired(questions)),
        };
        let schema = tool.output_schema.as_ref();
        match tool_result::checked(output, schema, self.engine.guest_runtime()).await {
            Ok(result) => Ok(Outcome::Complete(result)),
            Err(e) => Err(invalid_output(TargetKind::Tool, &e)),
        }
    }

    /// Gets a prompt with these arguments filled in.
    ///
    /// # Errors
    /// The reason why there is no result.
    pub async fn get_prompt(
        &self,
        prompt: &Prompt,
        call: Call<Vec<(String, String)>>,
    ) -> Result<Outcome<PromptResult>, CallError> {
        self.check_size(&call.arguments, &call.answers)?;
        check_prompt_arguments(prompt, &call.arguments).map_err(CallError::InvalidArguments)?;
        let request = PromptRequest {
            prompt: prompt.name.clone(),
            arguments: call.arguments,
            answers: call.answers,
            state: call.state,
        };
        let guest = self.guest.clone();
        let target = CallTarget {
            kind: TargetKind::Prompt,
            name: &prompt.name,
        };
        let run = move |store| guest.get_prompt(store, request);
        self.execute(target, call.context, &self.cpu_profile, run)
            .await
    }

    /// Reads a resource, whose URI is the call's argument.
    ///
    /// # Errors
    /// The reason why there is no result.
    pub async fn read_resource(
        &self,
        call: Call<String>,
    ) -> Result<Outcome<Vec<Embedded>>, CallError> {
        self.check_size(&call.arguments, &call.answers)?;
        let uri = call.arguments;
        let request = ResourceRequest {
            uri: uri.clone(),
            answers: call.answers,
            state: call.state,
        };
        let guest = self.guest.clone();
        let target = CallTarget {
            kind: TargetKind::Resource,
            name: &uri,
        };
        let run = move |store| guest.read_resource(store, request);
        self.execute(target, call.context, &self.cpu_profile, run)
            .await
    }

    /// Completes an argument of a prompt or a resource template.
    ///
    /// # Errors
    /// The reason why there is no result.
    pub async fn complete(
        &self,
        request: CompletionRequest,
        context: GuestContext,
    ) -> Result<Completion, CallError> {
        self.check_size(&(&request.argument, &request.value, &request.others), &[])?;
        let guest = self.guest.clone();
        let argument = request.argument.clone();
        let target = CallTarget {
            kind: TargetKind::Completion,
            name: &argument,
        };
        let run = move |store| guest.complete(store, request);
        self.execute(target, context, &self.cpu_profile, run).await
    }

    /// Rejects arguments and answers over the limit, because they take the host's memory in addition to the guest's.
    fn check_size(&self, arguments: &impl Serialize, answers: &[Answer]) -> Result<(), CallError> {
        self.write_limited(io::sink(), arguments, answers).map(drop)
    }

    /// Serializes arguments for the guest, with the limit of [`check_size`](Self::check_size).
    fn serialize(&self, arguments: &Value, answers: &[Answer]) -> Result<String, CallError> {
        let text = self.write_limited(Vec::new(), arguments, answers)?;
        // JSON is UTF-8.
        Ok(String::from_utf8(text).unwrap_or_default())
    }

    fn write_limited<W: io::Write>(
        &self,
        writer: W,
        arguments: &impl Serialize,
        answers: &[Answer],
    ) -> Result<W, CallError> {
        let max_bytes = self.limits.argument_bytes;
        let too_large = |what| {
            CallError::InvalidArguments(format!("the {what} are larger than {max_bytes} bytes"))
        };
        let mut limited = LimitedWriter {
            writer,
            remaining: max_bytes,
        };
        // The limit is the only source of errors: all keys of the JSON objects are strings.
        serde_json::to_writer(&mut limited, arguments).map_err(|_| too_large("arguments"))?;
        let answer_bytes = answers.iter().map(|a| a.key.len() + a.value.len());
        match answer_bytes.sum::<usize>() <= limited.remaining {
            true => Ok(limited.writer),
            false => Err(too_large("arguments and answers")),
        }
    }
}

fn check_prompt_arguments(prompt: &Prompt, arguments: &[(String, String)]) -> Result<(), String> {
    for argument in &prompt.arguments {
        if argument.required && !arguments.iter().any(|(name, _)| *name == argument.name) {
            return Err(format!("the argument `{}` is missing", argument.name));
        }
    }
    let is_defined = |name: &str| prompt.arguments.iter().any(|a| a.name == name);
    match arguments.iter().find(|(name, _)| !is_defined(name)) {
        Some((name, _)) => Err(format!("`{name}` is not an argument of this prompt")),
        None => Ok(()),
    }
}

/// A writer that fails when more bytes are written than remain.
struct LimitedWriter<W> {
    writer: W,
    remaining: usize,
}

impl<W: io::Write> io::Write for LimitedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remaining = self
            .remaining
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.writer.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
