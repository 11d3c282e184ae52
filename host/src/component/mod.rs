//! A compiled component: loaded once, described by its own `definitions` or by
//! the types of its functions, and called in a fresh instance each time.

mod contract;
mod definition;
mod describe;
mod function;
mod kind;
mod offers;
mod outcome;
mod schema;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

pub use contract::{
    Annotations, Answer, Askable, Audience, Block, Body, Caller, Completion, CompletionRequest,
    CompletionSubject, Content, Embedded, Event, Filled, Icon, Level, Link, Output, Prompt,
    PromptArgument, PromptMessage, Question, Questions, Resource, Role, Template,
};
use contract::{CallData, Guest, GuestError};
pub use definition::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, TaskMode, Tool, is_tool_name};
use describe::{Describe, faultless, nothing};
pub use function::Skipped;
use function::{Function, Functions};
pub use offers::Family;
pub use outcome::Outcome;
use outcome::Returned;
pub use schema::Schema;

use crate::engine::Engine;
use crate::sandbox::{self, Limits, State, Stopped};

/// `sha256:` and the lower-case hexadecimal digest of a component's bytes.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

/// One component, ready to be called.
pub struct Component {
    /// What logs and errors call it.
    pub name: String,
    /// `sha256:` and the lower-case hexadecimal digest of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// The interfaces it imports: what it could ask for.
    pub imports: Vec<String>,
    /// Its tools by their own names, in name order.
    pub tools: Vec<Tool>,
    /// Its prompts by their own names, in name order.
    pub prompts: Vec<Prompt>,
    /// Its documents, in URI order.
    pub resources: Vec<Resource>,
    /// Its families of documents, in the order of their templates.
    pub families: Vec<Family>,
    /// What it exports besides, and why that is nothing to be served.
    pub skipped: Vec<Skipped>,
    /// What one call may use.
    pub limits: Limits,
    guest: Arc<Guest>,
    /// By the names of their tools; the other tools are of the contract.
    functions: HashMap<String, Arc<Function>>,
    engine: Engine,
}

/// Why a component cannot be served. Each is one sentence without the
/// component's name, which whoever reports it puts before.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are something else than a component.
    #[error("{0}")]
    Kind(#[from] kind::NotAComponent),
    /// Its bytes are not those that were pinned.
    #[error("its digest is {found}, not the pinned {pinned}; review the file, then pin what it is")]
    Digest {
        /// What the bytes have.
        found: String,
        /// What the configuration says.
        pinned: String,
    },
    /// The engine does not compile it.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// It does not fit the contract.
    #[error("{0}")]
    World(String),
    /// What describes it did not answer.
    #[error("its `{0}` failed: {1}")]
    Definitions(&'static str, String),
    /// One of its definitions breaks a rule.
    #[error("{0}")]
    Definition(#[from] definition::Fault),
    /// A definition and a function have one name.
    #[error(
        "its `definitions` name a tool `{tool}`, and its function `{function}` is a tool of that \
         name too; rename one of them"
    )]
    Clash {
        /// The name.
        tool: String,
        /// Where the function stands.
        function: String,
    },
    /// It offers nothing.
    #[error("{0}")]
    Nothing(String),
}

/// Why a call gave no result. `Display` is one sentence for the client; what the
/// operator needs beyond it has been logged.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The guest, or the tool's schema, refuses the arguments.
    #[error("{0}")]
    InvalidArguments(String),
    /// The tool says that it failed.
    #[error("{0}")]
    Failed(String),
    /// There is no such document.
    #[error("there is no such resource")]
    NotFound,
    /// A limit or the client ended it.
    #[error("{0}")]
    Stopped(#[from] Stopped),
    /// The guest asked for more memory than it may have.
    #[error("the tool ran out of its {0} MiB of memory")]
    Memory(usize),
    /// The guest trapped.
    #[error("the tool crashed")]
    Crashed,
    /// The guest ended itself.
    #[error("the tool exited with status {0} instead of returning a result")]
    Exited(i32),
    /// More came back than the limit allows.
    #[error("the tool returned more than its limit of {0} bytes")]
    Oversized(usize),
    /// What came back is not what the tool announced.
    #[error("the tool returned a result that does not fit its definition")]
    InvalidOutput,
}

/// One call; `A` is what it is called with.
pub struct Call<A = Map<String, Value>> {
    /// The arguments, as the client sent them.
    pub arguments: A,
    /// Answers to questions of earlier rounds.
    pub answers: Vec<Answer>,
    /// The state handed back with the answers.
    pub state: Option<Vec<u8>>,
    /// For whom it runs.
    pub context: Context,
}

/// For whom a call runs.
pub struct Context {
    /// The call's id in the log.
    pub id: String,
    /// The questions that can reach the client.
    pub askable: Askable,
    /// Who calls; `None` without authentication.
    pub caller: Option<Arc<Caller>>,
    /// Where progress and log events go; `None` where nobody listens.
    pub events: Option<tokio::sync::mpsc::Sender<Event>>,
    /// Fires when the client has gone or the host shuts down.
    pub cancelled: CancellationToken,
}

impl CallError {
    /// Whether the sentence says less than the log does.
    pub fn has_more_in_log(&self) -> bool {
        matches!(self, Self::Crashed | Self::InvalidOutput)
    }
}

impl Component {
    /// Compiles a component and asks it for its tools.
    ///
    /// # Errors
    /// Every fault that can be found, not only the first.
    pub async fn load(
        engine: &Engine,
        name: &str,
        bytes: Vec<u8>,
        pinned: Option<&str>,
        limits: Limits,
    ) -> Result<Self, Vec<LoadError>> {
        kind::check(&bytes).map_err(|e| vec![e.into()])?;
        let digest = digest(&bytes);
        let hex = digest.trim_start_matches("sha256:").to_owned();
        if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
            return Err(vec![LoadError::Digest {
                found: digest,
                pinned: pinned.to_owned(),
            }]);
        }
        let size = bytes.len();
        // Compiling takes up to ten seconds of processor time.
        let compiler = engine.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let compiled = compiler.compile(&bytes, &hex)?;
            let functions = Functions::find(compiler.wasmtime(), &compiled, &bytes);
            Ok::<_, wasmtime::Error>((compiled, functions))
        });
        let (compiled, functions) = compiled
            .await
            .map_err(|e| vec![LoadError::Invalid(e.to_string())])?
            .map_err(|e| vec![LoadError::Invalid(one_line(&e))])?;
        let imports = contract::imports(engine, &compiled);
        let guest = Guest::new(engine, &compiled).map_err(|e| vec![LoadError::World(e)])?;
        let guest = Arc::new(guest);
        let describe = Describe::new(engine, name, &limits);
        let tools = describe.run("definitions", |store| guest.clone().tools(store));
        let tools = faultless(definition::check_all(tools.await?))?;
        let (tools, functions, skipped) = functions.beside(tools)?;
        let prompts = describe.run("prompts.definitions", |store| guest.clone().prompts(store));
        let prompts = faultless(offers::check_prompts(prompts.await?))?;
        let resources = describe.run("resources", |store| guest.clone().resources(store));
        let resources = faultless(offers::check_resources(resources.await?))?;
        let families = describe.run("templates", |store| guest.clone().templates(store));
        let families = faultless(offers::check_templates(families.await?))?;
        if tools.is_empty() && prompts.is_empty() && resources.is_empty() && families.is_empty() {
            return Err(vec![nothing(guest.has_definitions(), &skipped)]);
        }
        for Skipped { export, reason } in &skipped {
            tracing::info!(
                component.name = name, export.name = %export, export.reason = %reason,
                "export skipped"
            );
        }
        Ok(Self {
            name: name.to_owned(),
            digest,
            size,
            imports,
            tools,
            prompts,
            resources,
            families,
            skipped,
            limits,
            guest,
            functions,
            engine: engine.clone(),
        })
    }

    /// Whether it completes the arguments of its prompts and templates.
    pub fn completes(&self) -> bool {
        self.guest.completes()
    }

    /// Runs one call in an instance of its own: arguments are checked before,
    /// the result after.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn call(&self, tool: &Tool, call: Call) -> Result<Outcome, CallError> {
        let arguments = Value::Object(call.arguments);
        let checked = tool.input.check(&arguments);
        let guest = self.guest.clone();
        let what = ("tool", tool.name.as_str());
        if let Some(function) = self.functions.get(&tool.name) {
            let prepared = function
                .prepare(checked, &arguments)
                .map_err(CallError::InvalidArguments)?;
            let max_bytes = self.limits.output_bytes;
            let run = |store| prepared.run(guest, store, max_bytes);
            // The host writes its result, by the types that the schema is of.
            return self.execute(what, call.context, run).await;
        }
        checked.map_err(CallError::InvalidArguments)?;
        let request = contract::Request {
            tool: tool.name.clone(),
            arguments: arguments.to_string(),
            answers: call.answers,
            state: call.state,
        };
        let outcome = self
            .execute(what, call.context, |store| guest.call(store, request))
            .await?;
        if let Outcome::Complete(output) = &outcome {
            outcome::check_structured(output, tool).map_err(refused)?;
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
        let what = ("prompt", prompt.name.as_str());
        self.execute(what, call.context, |store| guest.fill(store, request))
            .await
    }

    /// Reads the document of this URI in an instance of its own.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn read(&self, call: Call<String>) -> Result<Outcome<Vec<Embedded>>, CallError> {
        let request = contract::ReadRequest {
            uri: call.arguments,
            answers: call.answers,
            state: call.state,
        };
        let guest = self.guest.clone();
        let uri = request.uri.clone();
        let what = ("resource", uri.as_str());
        self.execute(what, call.context, |store| guest.read(store, request))
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
        context: Context,
    ) -> Result<Completion, CallError> {
        let guest = self.guest.clone();
        let argument = request.argument.clone();
        let what = ("argument", argument.as_str());
        self.execute(what, context, |store| guest.complete(store, request))
            .await
    }

    /// Runs a guest in the sandbox, and holds what it returns against its limits.
    async fn execute<T, F>(
        &self,
        (kind, name): (&'static str, &str),
        context: Context,
        guest: impl FnOnce(Store<State<CallData>>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: Returned + Send + 'static,
    {
        let span = tracing::info_span!(
            "call", call.id = %context.id, component.name = %self.name,
            tool.name = tracing::field::Empty, call.kind = kind, call.name = tracing::field::Empty
        );
        // What is called is most often a tool; a URI is a client's text.
        let field = if kind == "tool" {
            "tool.name"
        } else {
            "call.name"
        };
        span.record(field, sandbox::printable(name).as_ref());
        let cancelled = context.cancelled.clone();
        let data = CallData::new(context, self.limits.time);
        let store = sandbox::store(&self.engine, &self.limits, &span, data);
        let guest = guest(store);
        let run = async {
            let running = sandbox::run(&self.limits, self.engine.crew(), &cancelled, guest);
            let returned = self.settled(running.await)?;
            let bytes = returned.size_bytes();
            if bytes > self.limits.output_bytes {
                tracing::info!(
                    output.bytes = bytes,
                    limit.bytes = self.limits.output_bytes,
                    "output over its limit"
                );
                return Err(CallError::Oversized(self.limits.output_bytes));
            }
            returned.check().map_err(refused)?;
            Ok(returned)
        };
        tracing::Instrument::instrument(run, span.clone()).await
    }

    /// How a guest ended, as a client may know it; the log has the rest.
    fn settled<T>(&self, ended: Result<Result<T, GuestError>, Stopped>) -> Result<T, CallError> {
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
                tracing::info!(guest.trap = %sandbox::printable(&trap), "guest trapped");
                trapped(&error, memory_refused, &self.limits)
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
                CallError::Oversized(self.limits.output_bytes)
            }
        })
    }

    /// An error text is output too.
    fn bounded(&self, mut text: String) -> String {
        const MAX_ERROR_BYTES: usize = 64 << 10;
        let max = self.limits.output_bytes.min(MAX_ERROR_BYTES);
        if text.len() > max {
            text.truncate(text.floor_char_boundary(max));
        }
        text
    }
}

/// What a client is told of a trap.
fn trapped(error: &wasmtime::Error, memory_refused: bool, limits: &Limits) -> CallError {
    if let Some(status) = sandbox::exit_status(error) {
        CallError::Exited(status)
    } else if memory_refused {
        CallError::Memory(limits.memory_bytes >> 20)
    } else if contract::is_oversized(error) {
        CallError::Oversized(limits.output_bytes)
    } else {
        CallError::Crashed
    }
}

/// Output that its component did not promise.
fn refused(fault: String) -> CallError {
    tracing::warn!(output.fault = %fault, "output refused");
    CallError::InvalidOutput
}

/// The causes of an engine error in one line, without a backtrace.
fn one_line(error: &wasmtime::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let first = text.lines().next().unwrap_or_default();
        // The engine's context line says only that a guest ran.
        if first.starts_with("error while executing") || first.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(first);
    }
    line
}
