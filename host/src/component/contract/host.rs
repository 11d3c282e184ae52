//! The host's side of the contract: the `call` interface, through which a running guest learns about its call and
//! reports to the client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::bindings::toolcrib::mcp::call::{self, Level, Principal};
use super::bindings::toolcrib::mcp::types;
use crate::sandbox::{MAX_LOG_LINES, MAX_PROGRESS_EVENTS, StoreData};
use crate::telemetry::{CallUsage, TraceSpan, in_call};
use crate::text::{escape_untrusted, truncate};

/// Maximum length of the text of a progress event or a log line.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// The caller of a call, described only if the guest asks for it.
pub trait DescribeCaller: Send + Sync {
    /// Returns the caller in the form that components receive.
    fn describe(&self) -> Principal;
}

/// A store whose guest can use the `call` interface.
pub(crate) type GuestStore = Store<StoreData<CallData>>;

/// An event of a running call, for its client.
#[derive(Debug, Clone)]
pub enum Event {
    /// Progress of the call. `done` increases from event to event.
    Progress {
        /// The work done.
        done: f64,
        /// The total work, if the guest knows it.
        total: Option<f64>,
        /// A message for people.
        message: Option<String>,
    },
    /// A log line of the guest.
    Log {
        /// The severity.
        level: Level,
        /// The text, escaped.
        message: String,
    },
}

/// The kinds of questions that the client of a call can answer.
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
    /// Returns whether the client answers questions of this MCP method.
    pub fn has(self, method: &str) -> bool {
        match method {
            "elicitation/create" => self.elicitation,
            "sampling/createMessage" => self.sampling,
            "roots/list" => self.roots,
            _ => false,
        }
    }
}

/// The context of a call: its caller, and the ways to reach the client.
pub struct GuestContext {
    /// The call's id in the log.
    pub id: String,
    /// The kinds of questions that the client can answer.
    pub client_features: ClientFeatures,
    /// The caller; `None` without authentication.
    pub caller: Option<Arc<dyn DescribeCaller>>,
    /// The receiver of progress and log events; `None` if the client does not want them.
    pub events: Option<mpsc::Sender<Event>>,
    /// Cancelled when the client disconnects or cancels the call, or when the host shuts down.
    pub cancelled: CancellationToken,
    /// Dropped when the guest has ended and released its memory.
    pub held: Option<Arc<dyn Send + Sync>>,
    /// Counts what the guest uses.
    pub usage: Arc<CallUsage>,
    /// The request's span in the traces.
    pub span: Option<TraceSpan>,
}

impl GuestContext {
    /// The context of a guest that runs for no caller and no client.
    pub(crate) fn without_caller(cancelled: &CancellationToken) -> Self {
        Self {
            id: String::new(),
            client_features: ClientFeatures::default(),
            caller: None,
            events: None,
            cancelled: cancelled.clone(),
            held: None,
            usage: Arc::default(),
            span: None,
        }
    }
}

/// The state of the `call` interface during one call.
pub(crate) struct CallData {
    caller: Option<Arc<dyn DescribeCaller>>,
    client_features: ClientFeatures,
    events: Option<mpsc::Sender<Event>>,
    cancelled: CancellationToken,
    deadline: Instant,
    last_progress: Option<f64>,
    progress_events: u32,
    log_lines: u32,
}

impl CallData {
    pub(crate) fn new(context: GuestContext, time_limit: Duration) -> Self {
        Self {
            caller: context.caller,
            client_features: context.client_features,
            events: context.events,
            cancelled: context.cancelled,
            deadline: Instant::now() + time_limit,
            last_progress: None,
            progress_events: 0,
            log_lines: 0,
        }
    }

    /// Sends an event to the client. Waiting for a slow client counts towards the guest's time limit.
    async fn send(&self, event: Event) {
        if let Some(events) = &self.events {
            // Fails only after the client has gone; the call is then about to be cancelled.
            let _ = events.send(event).await;
        }
    }
}

// The interface `types` has no functions.
impl types::Host for CallData {}

impl call::Host for CallData {
    fn caller(&mut self) -> Option<Principal> {
        self.caller.as_deref().map(DescribeCaller::describe)
    }

    fn time_left(&mut self) -> u64 {
        let left = self.deadline.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    fn cancelled(&mut self) -> bool {
        self.cancelled.is_cancelled()
    }

    fn can_ask(&mut self, method: String) -> bool {
        self.client_features.has(&method)
    }

    async fn progress(&mut self, done: f64, total: Option<f64>, message: Option<String>) {
        let increases = self.last_progress.is_none_or(|last| done > last);
        if !done.is_finite() || !increases || self.progress_events == MAX_PROGRESS_EVENTS {
            return;
        }
        self.last_progress = Some(done);
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
                in_call(|| tracing::warn!(limit.lines = MAX_LOG_LINES, "guest log truncated"));
            }
            return;
        }
        let message = escape_untrusted(truncate(&message, MAX_MESSAGE_BYTES)).into_owned();
        in_call(|| match level {
            Level::Debug => tracing::debug!(guest.line = %message, "guest log"),
            Level::Info => tracing::info!(guest.line = %message, "guest log"),
            Level::Warning => tracing::warn!(guest.line = %message, "guest log"),
            Level::Error => tracing::error!(guest.line = %message, "guest log"),
        });
        self.send(Event::Log { level, message }).await;
    }
}
