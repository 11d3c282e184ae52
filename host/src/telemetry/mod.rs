//! The log, the metrics, the audit and the traces. Tokens and arguments of calls are never logged.
//!
//! Every field of every event and span is escaped and truncated, also those of libraries. The [`Record`] of a request
//! collects the facts about it; when it has ended, the [`Observer`] writes them to all four, so that these agree.

mod call_span;
mod call_usage;
mod daily_file;
mod fields;
mod grant_uses;
mod outcome;

mod facts;

mod ended_request;
mod event_time;

mod request_log;

mod audit;
mod counted_events;
mod json;
mod log_writer;
mod metrics;
mod traces;

mod observer;

mod record;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

pub use audit::{
    Audit, AuditConfig, AuditOutput, ComponentChange, ConfigurationRead, Fault, GroupBy, Usage,
    Verified, usage, verify,
};
pub use call_span::{CallSpan, grant_used, in_call};
pub use call_usage::CallUsage;
use counted_events::{CountedEvents, Summary};
use daily_file::DailyFile;
pub use daily_file::{check_writable, reopen_files};
use event_time::EventTime;
pub use facts::{Facts, TargetFacts};
use fields::TextFields;
pub use grant_uses::GrantUse;
use json::{JsonEvents, JsonFields};
use log_writer::LogWriter;
pub use log_writer::flush_log;
pub use metrics::{METRICS_MEDIA_TYPE, Metrics, Sample, SampleKind};
pub use observer::{Observer, OnRequest};
pub use outcome::Outcome;
pub use record::{Record, TargetCell};
pub use traces::{PartSpan, RequestTrace, TraceHeaders, TraceSpan, Traces, TracesConfig};

/// The level of the installed log.
static LEVEL: OnceLock<LiveLevel> = OnceLock::new();

struct LiveLevel {
    targets: reload::Handle<Targets, Registry>,
    counted_logged: Arc<AtomicBool>,
}

/// Days for which files of earlier days are kept, if not configured.
pub const DEFAULT_KEEP_DAYS: u32 = 30;

/// `[telemetry]`
#[derive(Debug, Clone, Default)]
pub struct TelemetryConfig {
    /// The log.
    pub log: LogConfig,
    /// Address on which the metrics are served; `None` serves none.
    pub metrics: Option<SocketAddr>,
    /// The audit; `None` writes none.
    pub audit: Option<AuditConfig>,
    /// The traces; `None` records none.
    pub traces: Option<TracesConfig>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Format of the log.
    pub format: LogFormat,
    /// Least severe level that is logged.
    pub level: Level,
    /// File of the log, a new one each day; `None` is standard error.
    pub file: Option<PathBuf>,
    /// Days for which files of earlier days are kept.
    pub keep_days: u32,
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
            file: None,
            keep_days: DEFAULT_KEEP_DAYS,
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
///
/// Lines below the level `warn`, and about requests, may be written a moment later; [`flush_log`] writes them at once.
///
/// # Errors
/// The file cannot be written.
pub fn init(config: &LogConfig) -> io::Result<()> {
    let (output, is_terminal): (Box<dyn Write + Send>, _) = match &config.file {
        Some(path) => {
            let file = DailyFile::open(path, config.keep_days)?;
            (Box::new(file), false)
        }
        None => (Box::new(io::stderr()), io::stderr().is_terminal()),
    };
    let writer = LogWriter::start(output)?;
    let (targets, handle) = reload::Layer::new(targets(config.level));
    let counted_logged = Arc::new(AtomicBool::new(logs_each(config.level)));
    let counted_events = CountedEvents {
        logged: counted_logged.clone(),
        summary: Arc::<Mutex<Summary>>::default(),
    };
    let registry = tracing_subscriber::registry()
        .with(targets)
        .with(counted_events);
    let layer = tracing_subscriber::fmt::layer()
        .with_timer(EventTime)
        .with_writer(writer.clone())
        // Reporting that the log cannot be written would fail too, with a panic.
        .log_internal_errors(false);
    let installed = match config.format {
        LogFormat::Text => registry
            .with(
                layer
                    .fmt_fields(TextFields)
                    .with_ansi(is_terminal)
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(layer.fmt_fields(JsonFields).event_format(JsonEvents))
            .try_init(),
    };
    // Fails if an embedder has installed a subscriber, which is kept.
    if installed.is_ok() {
        writer.install();
        let _ = LEVEL.set(LiveLevel {
            targets: handle,
            counted_logged,
        });
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Changes the least severe level that is logged, if [`init`] has installed the log.
pub fn set_level(level: Level) {
    if let Some(live) = LEVEL.get() {
        live.counted_logged
            .store(logs_each(level), Ordering::Relaxed);
        // Fails only if the subscriber is gone.
        let _ = live.targets.reload(targets(level));
    }
}

/// Returns what is logged. Libraries log warnings and errors only, regardless of the level: `rmcp` logs whole requests with
/// their arguments at the levels below.
fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        // Its warnings are about watches of directories that are gone. A failure to watch is returned, and logged there.
        .with_target("notify", LevelFilter::ERROR)
        .with_target("toolcrib", level)
}

/// Returns whether events that clients can cause at will are logged each.
fn logs_each(level: Level) -> bool {
    level >= Level::DEBUG
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
