//! `toolcrib stdio`: serves components to one local client over standard input and output.

use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::configuration::reopen_on_hangup;
use super::options::{ConfigOptions, WatchOptions, configure};
use super::output::{Failure, fail, report};
use super::signals::StopSignals;
use crate::app::BuildError;
use crate::reload::ComponentProblem;
use crate::{app, mcp, reload};

#[derive(Args)]
pub(super) struct Stdio {
    /// Components: files (`#tool` selects one tool of a file), directories, glob patterns, https://… or oci://…
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    config: ConfigOptions,
    #[command(flatten)]
    watch: WatchOptions,
}

impl Stdio {
    pub(super) async fn run(self, hangup: Option<Signal>) -> Result<(), Failure> {
        let mut signals = StopSignals::handle();
        let mut overrides = self.config.overrides(self.references);
        self.watch.apply(&mut overrides);
        let config = Arc::new(configure(&overrides, Level::WARN)?);
        let shutdown = CancellationToken::new();
        let draining = CancellationToken::new();
        // Dropping the receiver would stop watching.
        let observer = app::observer(&config).map_err(|problem| {
            report(&BuildError {
                problems: vec![problem],
            })
        })?;
        let start = async {
            let started = reload::start(&config, &observer, None).await?;
            started.0.open_store().await?;
            Ok(started)
        };
        let started = signals.during_start(start).await;
        let (registry, _problems) =
            started.map_err(|problems: Vec<ComponentProblem>| report(&problems.into()))?;
        tokio::spawn(reopen_on_hangup(hangup));
        let server = app::tool_server(
            &config,
            &registry,
            observer.clone(),
            None,
            draining.clone(),
            shutdown.clone(),
        );
        let end = mcp::Shutdown {
            stop: async {
                signals.stop().await;
                draining.cancel();
            },
            drain: config.server.drain,
            shutdown: shutdown.clone(),
        };
        let result = mcp::serve_stdio(&server, config.server.max_body_bytes, end).await;
        shutdown.cancel();
        app::flush(observer).await;
        result.map_err(fail)
    }
}
