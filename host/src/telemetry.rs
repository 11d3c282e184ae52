//! The log, written to standard error. Tokens and arguments of calls are never logged.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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

/// Installs the log as the process's `tracing` subscriber, unless there is one already.
pub fn init(config: LogConfig) {
    // Libraries log warnings and errors only, regardless of `config.level`: `rmcp` logs whole requests with their
    // arguments at the levels below.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("toolcrib", config.level);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let installed = match config.format {
        LogFormat::Text => tracing_subscriber::registry()
            .with(targets)
            .with(
                layer
                    .with_ansi(io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => tracing_subscriber::registry()
            .with(targets)
            .with(layer.json().flatten_event(true))
            .try_init(),
    };
    // Fails if an embedder has installed a subscriber, which is kept.
    drop(installed);
}
