//! The log, written to standard error. Tokens and arguments of calls are never logged.
//!
//! Every field of every event and span is escaped and truncated, also those of libraries.

mod call_span;
mod fields;

mod counted_events;
mod json;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use call_span::{CallSpan, in_call};
use counted_events::{CountedEvents, Summary};
use fields::TextFields;
use json::{JsonEvents, JsonFields};

/// `[telemetry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Format of the log.
    pub format: LogFormat,
    /// Least severe level that is logged.
    pub level: Level,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: Level::INFO,
        }
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Installs the log as the process's `tracing` subscriber, unless there is one already. Panics are logged too.
pub fn init(config: LogConfig) {
    // Libraries log warnings and errors only, regardless of `config.level`: `rmcp` logs whole requests with their
    // arguments at the levels below.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        // Its warnings are about watches of directories that are gone. A failure to watch is returned, and logged there.
        .with_target("notify", LevelFilter::ERROR)
        .with_target("toolcrib", config.level);
    let counted_events = CountedEvents {
        logged: config.level >= Level::DEBUG,
        summary: Arc::<Mutex<Summary>>::default(),
    };
    let registry = tracing_subscriber::registry()
        .with(targets)
        .with(counted_events);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        // Reporting that standard error cannot be written would fail too, with a panic.
        .log_internal_errors(false);
    let installed = match config.format {
        LogFormat::Text => registry
            .with(
                layer
                    .fmt_fields(TextFields)
                    .with_ansi(io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(layer.fmt_fields(JsonFields).event_format(JsonEvents))
            .try_init(),
    };
    // Fails if an embedder has installed a subscriber, which is kept.
    if installed.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Logs a panic as an event. The default hook prints its message, which may contain text of a client, as it is.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let has_backtrace = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        panic.message = panic.payload_as_str(),
        panic.location = panic.location().map(tracing::field::display),
        panic.backtrace = has_backtrace.then(|| tracing::field::display(backtrace)),
        "thread panicked"
    );
}
