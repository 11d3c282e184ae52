//! The contract, `toolcrib:mcp` (`wit/`): what the host calls and what it offers.
//! The contract's own types are the crate's vocabulary for what components offer
//! and return.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, InstancePre};

use super::GuestContext;
use super::outcome::Outcome;
use crate::engine::Engine;
use crate::sandbox::{self, MAX_LOG_LINES, MAX_PROGRESS_EVENTS, StoreData};
use crate::text::{escape_untrusted, truncate};

mod bindings {
    #![allow(missing_docs)] // The WIT documents them.
    wasmtime::component::bindgen!({
        path: "../wit",
        // Every export is optional; together they are one set of bindings.
        inline: "
            package toolcrib:host;
            world everything {
                import toolcrib:mcp/call@0.1.1;
                export toolcrib:mcp/tool@0.1.1;
                export toolcrib:mcp/prompts@0.1.1;
                export toolcrib:mcp/resources@0.1.1;
                export toolcrib:mcp/completions@0.1.1;
            }
        ",
        world: "toolcrib:host/everything",
        imports: {
            "toolcrib:mcp/call.progress": async,
            "toolcrib:mcp/call.log": async,
        },
        exports: { default: async },
    });
}

use bindings::exports::toolcrib::mcp::{completions, prompts, resources, tool};
use bindings::toolcrib::mcp::call;
pub use bindings::toolcrib::mcp::call::{Level, Principal};
use bindings::toolcrib::mcp::types;
pub use completions::{Completion, Request as CompletionRequest, Subject as CompletionSubject};
pub(super) use prompts::Request as PromptRequest;
pub use prompts::{
    Argument as PromptArgument, Definition as Prompt, Message as PromptMessage, Prompt as Filled,
};
pub(super) use resources::Request as ReadRequest;
pub use resources::{Resource, Template};
pub use types::{
    Annotations, Answer, Audience, Block, Body, Content, Embedded, Icon, Link, Output, Question,
    Questions, Role,
};
pub(super) use types::{Definition, Request};

/// What a running call tells its client.
#[derive(Debug, Clone)]
pub enum Event {
    /// `done` grows from event to event.
    Progress {
        /// How far the call is.
        done: f64,
        /// How far it will be, where the tool knows.
        total: Option<f64>,
        /// A line for people.
        message: Option<String>,
    },
    /// A line of the tool's log.
    Log {
        /// How much it matters.
        level: Level,
        /// The line.
        message: String,
    },
}

/// The questions that can reach the client of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientFeatures {
    /// `elicitation/create`
    pub elicitation: bool,
    /// `sampling/createMessage`
    pub sampling: bool,
    /// `roots/list`
    pub roots: bool,
}

impl ClientFeatures {
    /// Whether a question of this method can reach the client.
    pub fn has(self, method: &str) -> bool {
        match method {
            "elicitation/create" => self.elicitation,
            "sampling/createMessage" => self.sampling,
            "roots/list" => self.roots,
            _ => false,
        }
    }
}

/// The longest text of one progress event or log line, in bytes.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// What the `call` interface works on.
pub(super) struct CallData {
    caller: Option<Arc<Principal>>,
    client_features: ClientFeatures,
    events: Option<mpsc::Sender<Event>>,
    cancelled: CancellationToken,
    ends: Instant,
    progress: Option<f64>,
    progress_events: u32,
    log_lines: u32,
}

impl CallData {
    pub(super) fn new(context: GuestContext, time: Duration) -> Self {
        Self {
            caller: context.caller,
            client_features: context.client_features,
            events: context.events,
            cancelled: context.cancelled,
            ends: Instant::now() + time,
            progress: None,
            progress_events: 0,
            log_lines: 0,
        }
    }

    /// Waits for a slow client: that is the guest's own time, and its limit holds.
    async fn send(&self, event: Event) {
        if let Some(events) = &self.events {
            // Nobody listens any more: the call is about to be cancelled.
            let _ = events.send(event).await;
        }
    }
}

// The `types` interface has no function.
impl types::Host for CallData {}

impl call::Host for CallData {
    fn caller(&mut self) -> Option<Principal> {
        self.caller.as_deref().cloned()
    }

    fn time_left(&mut self) -> u64 {
        let left = self.ends.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    fn cancelled(&mut self) -> bool {
        self.cancelled.is_cancelled()
    }

    fn can_ask(&mut self, method: String) -> bool {
        self.client_features.has(&method)
    }

    async fn progress(&mut self, done: f64, total: Option<f64>, message: Option<String>) {
        let grows = self.progress.is_none_or(|before| done > before);
        if !done.is_finite() || !grows || self.progress_events == MAX_PROGRESS_EVENTS {
            return;
        }
        self.progress = Some(done);
        self.progress_events += 1;
        self.send(Event::Progress {
            done,
            total: total.filter(|total| total.is_finite()),
            message: message.map(|text| truncate(&text, MAX_MESSAGE_BYTES).to_owned()),
        })
        .await;
    }

    async fn log(&mut self, level: Level, message: String) {
        self.log_lines = self.log_lines.saturating_add(1);
        if self.log_lines > MAX_LOG_LINES {
            if self.log_lines == MAX_LOG_LINES + 1 {
                tracing::warn!(limit.lines = MAX_LOG_LINES, "guest log cut");
            }
            return;
        }
        let message = escape_untrusted(truncate(&message, MAX_MESSAGE_BYTES)).into_owned();
        match level {
            Level::Debug => tracing::debug!(guest.line = %message, "guest log"),
            Level::Info => tracing::info!(guest.line = %message, "guest log"),
            Level::Warning => tracing::warn!(guest.line = %message, "guest log"),
            Level::Error => tracing::error!(guest.line = %message, "guest log"),
        }
        self.send(Event::Log { level, message }).await;
    }
}

/// A linked component and the interfaces of the contract that it exports.
pub(super) struct Guest {
    pub(super) pre: InstancePre<StoreData<CallData>>,
    tool: Option<tool::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    completions: Option<completions::GuestIndices>,
}

/// How a guest's call ended without an outcome.
pub(super) enum GuestError {
    InvalidArguments(String),
    Failed(String),
    NotFound,
    /// What it returned is larger than the limit.
    Oversized,
    Trap {
        error: wasmtime::Error,
        /// Whether it had been refused memory: the usual cause.
        memory_refused: bool,
    },
}

/// Instantiates the guest in `$store` and calls one function of one of its
/// interfaces.
macro_rules! call_guest {
    ($guest:ident.$interface:ident.$function:ident, $store:ident $(, $argument:expr)*) => {{
        let run = async {
            let instance = $guest.pre.instantiate_async(&mut $store).await?;
            let indices = $guest.$interface.as_ref();
            let indices = indices.ok_or_else(|| wasmtime::Error::msg("it is not exported"))?;
            let interface = indices.load(&mut $store, &instance)?;
            interface.$function(&mut $store $(, $argument)*).await
        };
        run.await.map_err(|error| trap(error, &$store))
    }};
}

impl Guest {
    /// Links the component.
    ///
    /// # Errors
    /// One sentence: the import that the host lacks, or how an export differs
    /// from the contract.
    pub(super) fn new(engine: &Engine, component: &Component) -> Result<Self, String> {
        let mut linker =
            sandbox::new_linker(engine).map_err(|e| format!("the host cannot link it: {e}"))?;
        bindings::Everything::add_to_linker::<_, HasSelf<CallData>>(
            &mut linker,
            |state: &mut StoreData<CallData>| &mut state.contract,
        )
        .map_err(|e| format!("the host cannot link it: {e}"))?;
        let pre = linker.instantiate_pre(component).map_err(|e| {
            format!(
                "it imports what the host does not have: {}",
                super::one_line(&e)
            )
        })?;
        Ok(Self {
            tool: exported(component, INTERFACES[0], || tool::GuestIndices::new(&pre))?,
            prompts: exported(component, INTERFACES[1], || {
                prompts::GuestIndices::new(&pre)
            })?,
            resources: exported(component, INTERFACES[2], || {
                resources::GuestIndices::new(&pre)
            })?,
            completions: exported(component, INTERFACES[3], || {
                completions::GuestIndices::new(&pre)
            })?,
            pre,
        })
    }

    /// Whether it exports an interface that defines something.
    pub(super) fn has_definitions(&self) -> bool {
        self.tool.is_some() || self.prompts.is_some() || self.resources.is_some()
    }

    pub(super) async fn tools(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
    ) -> Result<Vec<Definition>, GuestError> {
        if self.tool.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.tool.call_definitions, store)
    }

    pub(super) async fn prompts(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
    ) -> Result<Vec<Prompt>, GuestError> {
        if self.prompts.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.prompts.call_definitions, store)
    }

    pub(super) async fn resources(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
    ) -> Result<Vec<Resource>, GuestError> {
        if self.resources.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.resources.call_resources, store)
    }

    pub(super) async fn templates(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
    ) -> Result<Vec<Template>, GuestError> {
        if self.resources.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.resources.call_templates, store)
    }

    /// Whether it completes the arguments of its prompts and templates.
    pub(super) fn completes(&self) -> bool {
        self.completions.is_some()
    }

    pub(super) async fn call(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
        request: types::Request,
    ) -> Result<Outcome<Output>, GuestError> {
        match call_guest!(self.tool.call_call, store, &request)? {
            Ok(types::Outcome::Complete(output)) => Ok(Outcome::Complete(output)),
            Ok(types::Outcome::InputRequired(asked)) => Ok(Outcome::InputRequired(asked)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn fill(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
        request: prompts::Request,
    ) -> Result<Outcome<Filled>, GuestError> {
        match call_guest!(self.prompts.call_get, store, &request)? {
            Ok(prompts::Outcome::Complete(prompt)) => Ok(Outcome::Complete(prompt)),
            Ok(prompts::Outcome::InputRequired(asked)) => Ok(Outcome::InputRequired(asked)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn read(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
        request: resources::Request,
    ) -> Result<Outcome<Vec<Embedded>>, GuestError> {
        match call_guest!(self.resources.call_read, store, &request)? {
            Ok(resources::Outcome::Complete(parts)) => Ok(Outcome::Complete(parts)),
            Ok(resources::Outcome::InputRequired(asked)) => Ok(Outcome::InputRequired(asked)),
            Err(resources::Error::NotFound) => Err(GuestError::NotFound),
            Err(resources::Error::Failed(text)) => Err(GuestError::Failed(text)),
        }
    }

    pub(super) async fn complete(
        self: Arc<Self>,
        mut store: Store<StoreData<CallData>>,
        request: CompletionRequest,
    ) -> Result<Completion, GuestError> {
        call_guest!(self.completions.call_complete, store, &request)?.map_err(GuestError::from)
    }
}

impl From<types::Error> for GuestError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::InvalidArguments(text) => Self::InvalidArguments(text),
            types::Error::Failed(text) => Self::Failed(text),
        }
    }
}

/// The functions of an interface, where the component exports it.
fn exported<T>(
    component: &Component,
    interface: &str,
    find: impl FnOnce() -> wasmtime::Result<T>,
) -> Result<Option<T>, String> {
    if component.get_export_index(None, interface).is_none() {
        return Ok(None);
    }
    find().map(Some).map_err(|e| {
        format!(
            "its `{interface}` is not the one of `wit/`: {}",
            super::one_line(&e)
        )
    })
}

pub(super) fn trap(error: wasmtime::Error, store: &Store<StoreData<CallData>>) -> GuestError {
    GuestError::Trap {
        error,
        memory_refused: store.data().memory_refused(),
    }
}

/// Whether an interface is one of the contract; and if so, whether this host
/// knows its version.
pub(super) fn is_known(interface: &str) -> Option<bool> {
    let name = interface.strip_prefix("toolcrib:mcp/")?;
    Some(name.contains("@0.1."))
}

/// The interfaces of the contract that a component may export.
pub(super) const INTERFACES: [&str; 4] = [
    "toolcrib:mcp/tool@0.1.1",
    "toolcrib:mcp/prompts@0.1.1",
    "toolcrib:mcp/resources@0.1.1",
    "toolcrib:mcp/completions@0.1.1",
];

/// Whether the engine refused to copy out what the guest returned.
pub(super) fn is_oversized(error: &wasmtime::Error) -> bool {
    // The engine has no type for it.
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// The names of the interfaces that the component imports.
pub(super) fn imports(engine: &Engine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine.wasmtime())
        .map(|(name, _)| name.to_owned())
        .collect()
}
