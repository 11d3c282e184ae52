//! One call of a component: in an instance of its own, within its limits.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::call_error::{CallError, TargetKind, refused, trapped};
use super::contract::{
    self, Answer, CallData, ClientFeatures, Completion, CompletionRequest, Embedded, Event, Filled,
    GuestError, Principal, Prompt,
};
use super::outcome::{self, Outcome, Returned};
use super::{Component, Tool};
use crate::sandbox::keyvalue::Owner;
use crate::sandbox::{self, CpuProfile, Stopped, StoreData};
use crate::text::{escape_untrusted, truncate};

/// One call; `A` is what it is called with.
pub struct Call<A = Map<String, Value>> {
    /// The arguments, as the client sent them.
    pub arguments: A,
    /// Answers to questions of earlier rounds.
    pub answers: Vec<Answer>,
    /// The state handed back with the answers.
    pub state: Option<Vec<u8>>,
    /// For whom it runs.
    pub context: GuestContext,
}

/// For whom a call runs.
pub struct GuestContext {
    /// The call's id in the log.
    pub id: String,
    /// The questions that can reach the client.
    pub client_features: ClientFeatures,
    /// Who calls; `None` without authentication.
    pub caller: Option<Arc<Principal>>,
    /// Where progress and log events go; `None` where nobody listens.
    pub events: Option<tokio::sync::mpsc::Sender<Event>>,
    /// Fires when the client has gone or the host shuts down.
    pub cancelled: CancellationToken,
}

impl Component {
    /// Runs one call in an instance of its own: arguments are checked before,
    /// the result after.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn call(&self, tool: &Tool, call: Call) -> Result<Outcome, CallError> {
        let arguments = Value::Object(call.arguments);
        self.check_size(&arguments, &call.answers)?;
        let guest = self.guest.clone();
        let what = (TargetKind::Tool, tool.name.as_str());
        if let Some(function) = self.functions.get(&tool.name) {
            // By the types that the schema is of: the sentences are clearer, and what it
            // takes grows with the arguments alone.
            let prepared = function
                .prepare(&arguments)
                .map_err(CallError::InvalidArguments)?;
            let max_bytes = self.limits.output_bytes;
            let run = |store| prepared.run(guest, store, max_bytes);
            // The host writes its result by its types too.
            return self
                .execute(what, call.context, &tool.cpu_profile, run)
                .await;
        }
        let checked = self.check(&tool.input, arguments).await;
        let arguments = checked.map_err(CallError::InvalidArguments)?;
        let request = contract::Request {
            tool: tool.name.clone(),
            arguments: arguments.to_string(),
            answers: call.answers,
            state: call.state,
        };
        let run = |store| guest.call(store, request);
        let outcome = self
            .execute(what, call.context, &tool.cpu_profile, run)
            .await?;
        if let Outcome::Complete(output) = &outcome {
            let checked =
                outcome::check_structured(output, tool, self.engine.guest_runtime()).await;
            checked.map_err(|e| refused(TargetKind::Tool, e))?;
        }
        Ok(outcome)
    }

    /// Fills in one prompt in an instance of its own.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn fill(
        &self,
        prompt: &Prompt,
        call: Call<Vec<(String, String)>>,
    ) -> Result<Outcome<Filled>, CallError> {
        self.check_size(&call.arguments, &call.answers)?;
        let is_given = |name: &str| call.arguments.iter().any(|(given, _)| given == name);
        for argument in &prompt.arguments {
            if argument.required && !is_given(&argument.name) {
                let what = format!("the argument `{}` is missing", argument.name);
                return Err(CallError::InvalidArguments(what));
            }
        }
        let known = |name: &str| prompt.arguments.iter().any(|known| known.name == name);
        if let Some((name, _)) = call.arguments.iter().find(|(name, _)| !known(name)) {
            let what = format!("`{name}` is not an argument of this prompt");
            return Err(CallError::InvalidArguments(what));
        }
        let request = contract::PromptRequest {
            prompt: prompt.name.clone(),
            arguments: call.arguments,
            answers: call.answers,
            state: call.state,
        };
        let guest = self.guest.clone();
        let what = (TargetKind::Prompt, prompt.name.as_str());
        let run = |store| guest.fill(store, request);
        self.execute(what, call.context, &self.cpu_profile, run)
            .await
    }

    /// Reads the document of this URI in an instance of its own.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn read(&self, call: Call<String>) -> Result<Outcome<Vec<Embedded>>, CallError> {
        self.check_size(&call.arguments, &call.answers)?;
        let request = contract::ReadRequest {
            uri: call.arguments,
            answers: call.answers,
            state: call.state,
        };
        let guest = self.guest.clone();
        let uri = request.uri.clone();
        let what = (TargetKind::Resource, uri.as_str());
        let run = |store| guest.read(store, request);
        self.execute(what, call.context, &self.cpu_profile, run)
            .await
    }

    /// Completes an argument of one of its prompts or templates, in an instance
    /// of its own.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn complete(
        &self,
        request: CompletionRequest,
        context: GuestContext,
    ) -> Result<Completion, CallError> {
        self.check_size(&(&request.argument, &request.value, &request.others), &[])?;
        let guest = self.guest.clone();
        let argument = request.argument.clone();
        let what = (TargetKind::Completion, argument.as_str());
        let run = |store| guest.complete(store, request);
        self.execute(what, context, &self.cpu_profile, run).await
    }

    /// What a call is given costs memory before its guest has any.
    fn check_size(&self, arguments: &impl Serialize, answers: &[Answer]) -> Result<(), CallError> {
        let max = self.limits.argument_bytes;
        let too_large =
            |what| CallError::InvalidArguments(format!("the {what} are larger than {max} bytes"));
        let mut left = Left(max);
        // Nothing else can fail: keys of JSON objects are strings.
        serde_json::to_writer(&mut left, arguments).map_err(|_| too_large("arguments"))?;
        let answers = answers.iter().map(|a| a.key.len() + a.value.len());
        match answers.sum::<usize>() <= left.0 {
            true => Ok(()),
            false => Err(too_large("arguments and answers")),
        }
    }

    /// Runs a guest in the sandbox, and holds what it returns against its limits.
    async fn execute<T, F>(
        &self,
        (called, name): (TargetKind, &str),
        context: GuestContext,
        cpu_profile: &Arc<CpuProfile>,
        guest: impl FnOnce(Store<StoreData<CallData>>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: Returned + Send + 'static,
    {
        let span = tracing::info_span!(
            "call", call.id = %context.id, component.name = %self.name,
            tool.name = tracing::field::Empty, call.kind = %called, call.name = tracing::field::Empty
        );
        // What is called is most often a tool; a URI is a client's text.
        let field = match called {
            TargetKind::Tool => "tool.name",
            _ => "call.name",
        };
        span.record(field, shown(name).as_ref());
        let cancelled = context.cancelled.clone();
        let caller = context.caller.as_deref();
        let owner = caller.filter(|_| self.granted.has_buckets()).map(owner);
        let data = CallData::new(context, self.limits.time);
        let limits = &self.limits;
        let store = sandbox::new_store(&self.engine, limits, &self.granted, owner, &span, data);
        let guest = self.granted.with_blocking_pool(guest(store));
        let run = async {
            let guest_runtime = self.engine.guest_runtime();
            let running =
                sandbox::execute(&self.limits, guest_runtime, &cancelled, cpu_profile, guest);
            let returned = self.settled(called, running.await)?;
            let bytes = returned.size_bytes();
            if bytes > self.limits.output_bytes {
                tracing::info!(
                    output.bytes = bytes,
                    limit.bytes = self.limits.output_bytes,
                    "output over its limit"
                );
                return Err(CallError::Oversized(called, self.limits.output_bytes));
            }
            returned.check().map_err(|e| refused(called, e))?;
            Ok(returned)
        };
        tracing::Instrument::instrument(run, span.clone()).await
    }

    /// How a guest ended, as a client may know it; the log has the rest.
    fn settled<T>(
        &self,
        called: TargetKind,
        ended: Result<Result<T, GuestError>, Stopped>,
    ) -> Result<T, CallError> {
        Err(match ended {
            Ok(Ok(returned)) => return Ok(returned),
            Err(stopped) => {
                tracing::info!(call.stopped = %stopped, "call stopped");
                stopped.into()
            }
            Ok(Err(GuestError::Trap {
                error,
                memory_refused,
            })) => {
                let trap = format!("{error:?}");
                tracing::info!(guest.trap = %shown(&trap), "guest trapped");
                trapped(called, &error, memory_refused, &self.limits)
            }
            Ok(Err(GuestError::InvalidArguments(text))) => {
                CallError::InvalidArguments(self.bounded(text))
            }
            Ok(Err(GuestError::Failed(text))) => CallError::Failed(self.bounded(text)),
            Ok(Err(GuestError::NotFound)) => CallError::NotFound,
            Ok(Err(GuestError::Oversized)) => {
                tracing::info!(
                    limit.bytes = self.limits.output_bytes,
                    "output over its limit"
                );
                CallError::Oversized(called, self.limits.output_bytes)
            }
        })
    }

    /// An error text is output too.
    fn bounded(&self, mut text: String) -> String {
        const MAX_ERROR_BYTES: usize = 64 << 10;
        let max = self.limits.output_bytes.min(MAX_ERROR_BYTES);
        text.truncate(truncate(&text, max).len());
        text
    }
}

/// Room for so many bytes.
struct Left(usize);

impl io::Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A guest's or a client's text for the log: a backtrace has the names of functions, a URI any length.
fn shown(text: &str) -> Cow<'_, str> {
    const MAX_SHOWN_BYTES: usize = 4_096;
    escape_untrusted(truncate(text, MAX_SHOWN_BYTES))
}

/// Whom a caller's part of a bucket belongs to: the person, by whatever client it comes.
fn owner(caller: &Principal) -> Owner {
    Owner {
        issuer: caller.issuer.clone(),
        subject: caller.subject.clone(),
    }
}
