//! The log: where it goes, in which form, and how much of it.
//!
//! Everything goes to standard error. No token and no argument is ever logged.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// `[telemetry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of the log.
    pub format: Format,
    /// The least important level that is logged.
    pub level: Level,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: Format::Text,
            level: Level::INFO,
        }
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Starts the log. Only the first call in a process does anything.
pub fn init(settings: LogConfig) {
    // Libraries speak only when something is wrong: `rmcp` logs whole requests
    // with their arguments below that, and no level of ours may reveal them.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("toolcrib", settings.level);
    let format = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let started = match settings.format {
        Format::Text => tracing_subscriber::registry()
            .with(targets)
            .with(
                format
                    .with_ansi(io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        Format::Json => tracing_subscriber::registry()
            .with(targets)
            .with(format.json().flatten_event(true))
            .try_init(),
    };
    // An embedder has a subscriber of its own; that one stays.
    drop(started);
}
