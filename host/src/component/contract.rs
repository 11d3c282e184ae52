//! The tool contract, `toolcrib:mcp` (`wit/tool.wit`): what the host calls and
//! what it offers. The contract's own types are the crate's vocabulary for tools
//! and results.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, InstancePre};

use super::Tool;
use crate::engine::Engine;
use crate::sandbox::{self, MAX_LOG_LINES, MAX_PROGRESS_EVENTS, State};

mod bindings {
    #![allow(missing_docs)] // The WIT documents them.
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "toolcrib:mcp/tool-component",
        imports: {
            "toolcrib:mcp/call.progress": async,
            "toolcrib:mcp/call.log": async,
        },
        exports: { default: async },
    });
}

use bindings::ToolComponentPre;
use bindings::toolcrib::mcp::call;
pub use bindings::toolcrib::mcp::call::{Level, Principal as Caller};
use bindings::toolcrib::mcp::types::Error;
pub use bindings::toolcrib::mcp::types::{
    Annotations, Answer, Audience, Block, Body, Content, Icon, Link, Outcome, Output, Question,
    Questions, Role,
};
pub(super) use bindings::toolcrib::mcp::types::{Definition, Request};

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

/// The methods of the questions that can reach the client of a call.
pub type Askable = &'static [&'static str];

/// The longest text of one progress event or log line, in bytes.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// What the `call` interface works on.
pub(super) struct CallData {
    caller: Option<Arc<Caller>>,
    askable: Askable,
    events: Option<mpsc::Sender<Event>>,
    cancelled: CancellationToken,
    ends: Instant,
    progress: Option<f64>,
    progress_events: u32,
    log_lines: u32,
}

impl CallData {
    pub(super) fn new(
        caller: Option<Arc<Caller>>,
        askable: Askable,
        events: Option<mpsc::Sender<Event>>,
        cancelled: CancellationToken,
        time: Duration,
    ) -> Self {
        Self {
            caller,
            askable,
            events,
            cancelled,
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
impl bindings::toolcrib::mcp::types::Host for CallData {}

impl call::Host for CallData {
    fn caller(&mut self) -> Option<Caller> {
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
        self.askable.contains(&method.as_str())
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
            message: message.map(cut),
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
        let message = sandbox::printable(&cut(message)).into_owned();
        match level {
            Level::Debug => tracing::debug!(guest.line = %message, "guest log"),
            Level::Info => tracing::info!(guest.line = %message, "guest log"),
            Level::Warning => tracing::warn!(guest.line = %message, "guest log"),
            Level::Error => tracing::error!(guest.line = %message, "guest log"),
        }
        self.send(Event::Log { level, message }).await;
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
    text
}

/// A linked component, instantiated for every call, and what of the contract it
/// exports. Cheap to clone.
#[derive(Clone)]
pub(super) struct Guest {
    pub(super) pre: InstancePre<State<CallData>>,
    tool: Option<ToolComponentPre<State<CallData>>>,
}

/// How a guest's call ended without an outcome.
pub(super) enum GuestError {
    InvalidArguments(String),
    Failed(String),
    /// The outcome is larger than the limit.
    Oversized,
    Trap {
        error: wasmtime::Error,
        /// Whether it had been refused memory: the usual cause.
        memory_refused: bool,
    },
}

impl Guest {
    /// Links the component.
    ///
    /// # Errors
    /// One sentence: the import that the host lacks, or how the export differs
    /// from the contract.
    pub(super) fn new(engine: &Engine, component: &Component) -> Result<Self, String> {
        let mut linker =
            sandbox::linker(engine).map_err(|e| format!("the host cannot link it: {e}"))?;
        bindings::ToolComponent::add_to_linker::<_, HasSelf<CallData>>(
            &mut linker,
            |state: &mut State<CallData>| &mut state.contract,
        )
        .map_err(|e| format!("the host cannot link it: {e}"))?;
        let pre = linker.instantiate_pre(component).map_err(|e| {
            format!(
                "it imports what the host does not have: {}",
                super::one_line(&e)
            )
        })?;
        let is_tool = component.get_export_index(None, EXPORT).is_some();
        let tool = is_tool.then(|| ToolComponentPre::new(pre.clone()));
        let tool = tool.transpose().map_err(|e| {
            format!(
                "its `{EXPORT}` is not the one of `wit/tool.wit`: {}",
                super::one_line(&e)
            )
        })?;
        Ok(Self { pre, tool })
    }

    /// Whether it exports [`EXPORT`].
    pub(super) fn is_tool(&self) -> bool {
        self.tool.is_some()
    }

    pub(super) async fn definitions(
        self,
        mut store: Store<State<CallData>>,
    ) -> Result<Vec<Definition>, GuestError> {
        let Some(pre) = &self.tool else {
            return Ok(Vec::new());
        };
        let run = async {
            let instance = pre.instantiate_async(&mut store).await?;
            let tool = instance.toolcrib_mcp_tool();
            tool.call_definitions(&mut store).await
        };
        run.await.map_err(|error| trap(error, &store))
    }

    pub(super) async fn call(
        self,
        mut store: Store<State<CallData>>,
        request: Request,
    ) -> Result<Outcome, GuestError> {
        let run = async {
            let pre = self.tool.as_ref();
            let pre = pre.ok_or_else(|| wasmtime::Error::msg("it is not exported"))?;
            let instance = pre.instantiate_async(&mut store).await?;
            let tool = instance.toolcrib_mcp_tool();
            tool.call_call(&mut store, &request).await
        };
        match run.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(Error::InvalidArguments(text))) => Err(GuestError::InvalidArguments(text)),
            Ok(Err(Error::Failed(text))) => Err(GuestError::Failed(text)),
            Err(error) => Err(trap(error, &store)),
        }
    }
}

pub(super) fn trap(error: wasmtime::Error, store: &Store<State<CallData>>) -> GuestError {
    GuestError::Trap {
        error,
        memory_refused: store.data().memory_refused(),
    }
}

/// The interfaces of the contract, and the version of those that are served.
const NAMESPACE: &str = "toolcrib:mcp/";
const VERSION: &str = "@0.1.";

/// Whether an interface is one of the contract; and if so, whether its version
/// is served.
pub(super) fn is_served(interface: &str) -> Option<bool> {
    let name = interface.strip_prefix(NAMESPACE)?;
    Some(name.contains(VERSION))
}

/// The interface that makes a component a tool component.
pub(super) const EXPORT: &str = "toolcrib:mcp/tool@0.1.1";

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

/// What the host makes of an outcome.
impl Outcome {
    /// Everything in it that a client may get, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Complete(output) => {
                output.content.iter().map(content_bytes).sum::<usize>()
                    + output.structured.as_ref().map_or(0, String::len)
                    + output.meta.as_ref().map_or(0, String::len)
            }
            Self::InputRequired(questions) => {
                questions
                    .asked
                    .iter()
                    .map(|q| q.key.len() + q.method.len() + q.params.len())
                    .sum::<usize>()
                    + questions.state.as_ref().map_or(0, Vec::len)
            }
        }
    }

    /// The outcome, when it is what the tool's definition promises.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(super) fn checked(self, tool: &Tool) -> Result<Self, String> {
        let Self::Complete(output) = &self else {
            return Ok(self);
        };
        let priorities = output
            .content
            .iter()
            .filter_map(|c| c.audience.as_ref()?.priority);
        if !priorities.into_iter().all(|p| (0.0..=1.0).contains(&p)) {
            return Err("a `priority` is not between 0.0 and 1.0".into());
        }
        if let Some(meta) = &output.meta
            && !matches!(serde_json::from_str(meta), Ok(Value::Object(_)))
        {
            return Err("`meta` is not a JSON object".into());
        }
        match (&output.structured, &tool.output) {
            (None, Some(_)) => {
                return Err(
                    "`structured` is missing although the tool has an output schema".into(),
                );
            }
            (Some(text), schema) => {
                let value: Value = serde_json::from_str(text)
                    .map_err(|e| format!("`structured` is not valid JSON: {e}"))?;
                if let Some(schema) = schema {
                    schema
                        .check(&value)
                        .map_err(|e| format!("`structured` breaks the output schema: {e}"))?;
                }
            }
            (None, None) => {}
        }
        Ok(self)
    }
}

fn content_bytes(content: &Content) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let block = match &content.block {
        Block::Text(text) => text.len(),
        Block::Image(media) | Block::Audio(media) => media.data.len() + media.media_type.len(),
        Block::Link(link) => {
            link.uri.len()
                + link.name.len()
                + text(&link.title)
                + text(&link.description)
                + text(&link.media_type)
        }
        Block::Embedded(embedded) => {
            embedded.uri.len()
                + text(&embedded.media_type)
                + match &embedded.body {
                    Body::Text(text) => text.len(),
                    Body::Binary(bytes) => bytes.len(),
                }
        }
    };
    // A block costs some bytes even where it is empty.
    64 + block
}
