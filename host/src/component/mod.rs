//! A compiled component: loaded once, described by its own `definitions` or by
//! the types of its functions, and called in a fresh instance each time.

mod contract;
mod definition;
mod function;
mod kind;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

pub use contract::{
    Annotations, Answer, Askable, Audience, Block, Body, Caller, Content, Event, Icon, Level, Link,
    Outcome, Output, Question, Questions, Role,
};
use contract::{CallData, Guest, GuestError};
pub use definition::{Tool, is_tool_name};
pub use function::Skipped;
use function::{Function, Functions};

use crate::engine::Engine;
use crate::sandbox::{self, Limits, State, Stopped};

/// `definitions` runs in the sandbox too, and answers within this time.
const DEFINITIONS_TIME: std::time::Duration = std::time::Duration::from_secs(10);

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
    /// What it exports besides, and why that is no tool.
    pub skipped: Vec<Skipped>,
    /// What one call may use.
    pub limits: Limits,
    guest: Guest,
    /// By the names of their tools; the other tools are the guest's.
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
    /// `definitions` did not answer.
    #[error("its `definitions` failed: {0}")]
    Definitions(String),
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

/// One call.
pub struct Call {
    /// The call's id in the log.
    pub id: String,
    /// The arguments, as the client sent them.
    pub arguments: Map<String, Value>,
    /// Answers to questions of an earlier round.
    pub answers: Vec<Answer>,
    /// The state handed back with the answers.
    pub state: Option<Vec<u8>>,
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
        let hex = format!("{:x}", HexDigest(&Sha256::digest(&bytes)));
        let digest = format!("sha256:{hex}");
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
        let mut tools = definitions(engine, &guest, name, &limits).await?;
        let clashes: Vec<_> = tools
            .iter()
            .filter_map(|tool| functions.by_tool.get(&tool.name))
            .map(|function| LoadError::Clash {
                tool: function.tool_name.clone(),
                function: function.location(),
            })
            .collect();
        if !clashes.is_empty() {
            return Err(clashes);
        }
        let Functions {
            by_tool: functions,
            tools: more,
            skipped,
        } = functions;
        tools.extend(more);
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        // The one place that says what makes a component worth loading: every
        // kind of export may be missing, but not all of them.
        if tools.is_empty() {
            return Err(vec![nothing(guest.is_tool(), &skipped)]);
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
            skipped,
            limits,
            guest,
            functions,
            engine: engine.clone(),
        })
    }

    /// Runs one call in an instance of its own: arguments are checked before,
    /// the result after.
    ///
    /// # Errors
    /// Why there is no result; see [`CallError`].
    pub async fn call(&self, tool: &Tool, call: Call) -> Result<Outcome, CallError> {
        let span = tracing::info_span!(
            "call", call.id = %call.id, component.name = %self.name, tool.name = %tool.name
        );
        let outcome = tracing::Instrument::instrument(self.run(tool, call, &span), span.clone());
        outcome.await
    }

    async fn run(
        &self,
        tool: &Tool,
        call: Call,
        span: &tracing::Span,
    ) -> Result<Outcome, CallError> {
        let arguments = Value::Object(call.arguments);
        let checked = tool.input.check(&arguments);
        let work = match self.functions.get(&tool.name) {
            Some(function) => Work::Function(
                function
                    .prepare(checked, &arguments)
                    .map_err(CallError::InvalidArguments)?,
            ),
            None => {
                checked.map_err(CallError::InvalidArguments)?;
                Work::Tool(contract::Request {
                    tool: tool.name.clone(),
                    arguments: arguments.to_string(),
                    answers: call.answers,
                    state: call.state,
                })
            }
        };
        let is_function = matches!(work, Work::Function(..));
        let data = CallData::new(
            call.caller,
            call.askable,
            call.events,
            call.cancelled.clone(),
            self.limits.time,
        );
        let store = sandbox::store(&self.engine, &self.limits, span, data);
        let running = sandbox::run(
            &self.limits,
            self.engine.crew(),
            &call.cancelled,
            work.run(self.guest.clone(), store, self.limits.output_bytes),
        )
        .await;
        let outcome = match running {
            Err(stopped) => {
                tracing::info!(call.stopped = %stopped, "call stopped");
                return Err(stopped.into());
            }
            Ok(Err(GuestError::Trap {
                error,
                memory_refused,
            })) => {
                let trap = format!("{error:?}");
                tracing::info!(guest.trap = %sandbox::printable(&trap), "guest trapped");
                return Err(trapped(&error, memory_refused, &self.limits));
            }
            Ok(Err(GuestError::InvalidArguments(text))) => {
                return Err(CallError::InvalidArguments(self.bounded(text)));
            }
            Ok(Err(GuestError::Failed(text))) => return Err(CallError::Failed(self.bounded(text))),
            Ok(Err(GuestError::Oversized)) => {
                tracing::info!(
                    limit.bytes = self.limits.output_bytes,
                    "output over its limit"
                );
                return Err(CallError::Oversized(self.limits.output_bytes));
            }
            Ok(Ok(outcome)) => outcome,
        };
        if outcome.size_bytes() > self.limits.output_bytes {
            tracing::info!(
                output.bytes = outcome.size_bytes(),
                limit.bytes = self.limits.output_bytes,
                "output over its limit"
            );
            return Err(CallError::Oversized(self.limits.output_bytes));
        }
        if is_function {
            // The host wrote it, by the types that its schema is of.
            return Ok(outcome);
        }
        outcome.checked(tool).map_err(|fault| {
            tracing::warn!(output.fault = %fault, "output refused");
            CallError::InvalidOutput
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

/// What runs in the instance of a call.
enum Work {
    Tool(contract::Request),
    Function(function::Prepared),
}

impl Work {
    async fn run(
        self,
        guest: Guest,
        store: Store<State<CallData>>,
        max_output_bytes: usize,
    ) -> Result<Outcome, GuestError> {
        match self {
            Self::Tool(request) => guest.call(store, request).await,
            Self::Function(call) => call.run(&guest.pre, store, max_output_bytes).await,
        }
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

async fn definitions(
    engine: &Engine,
    guest: &Guest,
    name: &str,
    limits: &Limits,
) -> Result<Vec<Tool>, Vec<LoadError>> {
    let span = tracing::info_span!("definitions", component.name = name);
    let limits = Limits {
        time: limits.time.min(DEFINITIONS_TIME),
        cpu: limits.cpu.min(DEFINITIONS_TIME),
        ..limits.clone()
    };
    let cancelled = CancellationToken::new();
    let data = CallData::new(None, &[], None, cancelled.clone(), limits.time);
    let store = sandbox::store(engine, &limits, &span, data);
    let failed = |why: String| vec![LoadError::Definitions(why)];
    let definitions = sandbox::run(
        &limits,
        engine.crew(),
        &cancelled,
        guest.clone().definitions(store),
    )
    .await
    .map_err(|stopped| failed(stopped.to_string()))?
    .map_err(|error| match error {
        GuestError::Trap {
            error,
            memory_refused,
        } => failed(match trapped(&error, memory_refused, &limits) {
            CallError::Crashed => one_line(&error),
            other => other.to_string(),
        }),
        GuestError::InvalidArguments(why) | GuestError::Failed(why) => failed(why),
        GuestError::Oversized => failed(CallError::Oversized(limits.output_bytes).to_string()),
    })?;
    definition::check_all(definitions)
        .map_err(|faults| faults.into_iter().map(LoadError::Definition).collect())
}

/// A component of which nothing can be served: what it has instead.
fn nothing(has_contract: bool, skipped: &[Skipped]) -> LoadError {
    const MAX_LISTED: usize = 5;
    let mut why = if has_contract {
        "it defines no tool".to_owned()
    } else {
        format!(
            "it exports neither `{}` nor a function that can be a tool",
            contract::EXPORT
        )
    };
    for (index, Skipped { export, reason }) in skipped.iter().take(MAX_LISTED).enumerate() {
        why.push_str(if index == 0 { " (" } else { "; " });
        why.push_str(&format!("`{export}`: {reason}"));
    }
    if skipped.len() > MAX_LISTED {
        why.push_str(&format!("; and {} more", skipped.len() - MAX_LISTED));
    }
    if !skipped.is_empty() {
        why.push(')');
    }
    if !has_contract {
        why.push_str(
            "; build it for the world `tool-component` of `wit/tool.wit`, or export plain functions",
        );
    }
    LoadError::Nothing(why)
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

struct HexDigest<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexDigest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
