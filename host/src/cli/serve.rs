//! `toolcrib serve`: serves components over Streamable HTTP.

use std::io::ErrorKind;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use super::options::{AccessOptions, ConfigOptions, WatchOptions, configure};
use super::output::{Failure, fail, notice, report, summary};
use super::signals::handle_reopen_signal;
use crate::app::App;
use crate::config::{Access, Listen};

/// Exit status after a second stop signal: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

#[derive(Args)]
pub(super) struct Serve {
    /// Components: files (`#tool` selects one tool of a file), directories, glob patterns, https://… or oci://…
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    config: ConfigOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    watch: WatchOptions,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut overrides = self.config.overrides(self.references);
        self.access.apply(&mut overrides);
        self.watch.apply(&mut overrides);
        let config = configure(&overrides, Level::INFO)?;
        let server = config.server.clone();
        let is_open = matches!(config.access, Access::Open);
        let app = App::build(config).await.map_err(|error| report(&error))?;
        app.open_store().await.map_err(|error| report(&error))?;
        if is_open {
            tracing::warn!(
                server.listen = %server.listen,
                "authentication is off, every client that reaches the address may call"
            );
        }
        for warning in app.warnings() {
            tracing::warn!(warning, "check the configuration");
        }
        let listener = app.listen().await.map_err(|error| {
            let is_socket = matches!(server.listen, Listen::Unix(_));
            let hint = match error.kind() {
                ErrorKind::AddrInUse => "; stop what uses it, or choose another with --listen",
                ErrorKind::AlreadyExists => "; remove it, or choose another path with --listen",
                ErrorKind::NotFound => "; create the directory, or choose another with --listen",
                ErrorKind::InvalidInput if is_socket => "; choose a shorter path with --listen",
                ErrorKind::PermissionDenied if is_socket => {
                    "; choose a directory that this user can write to with --listen"
                }
                ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
                ErrorKind::AddrNotAvailable => "; this machine does not have that address",
                _ => "",
            };
            fail(format!("cannot listen on {}: {error}{hint}", server.listen))
        })?;
        let bound = listener.tcp_address().map_err(fail)?;
        let metrics = app.listen_metrics().await.map_err(|error| {
            fail(format!(
                "cannot listen on `telemetry.metrics`: {error}; choose another address, or stop what uses it"
            ))
        })?;
        if let Some(metrics) = metrics {
            notice(format!("metrics on http://{}/metrics", metrics.address()));
            tokio::spawn(metrics.serve());
        }
        handle_reopen_signal();
        // Handlers are installed before the line below: a supervisor may send a signal as soon as it has read it.
        let stop = stop_signal();
        let (scheme, path) = (server.scheme(), &server.path);
        let place = match (&server.listen, bound) {
            (Listen::Localhost(_), Some(address)) => {
                format!("{scheme}://localhost:{}{path}", address.port())
            }
            (_, Some(address)) => format!("{scheme}://{address}{path}"),
            (socket, None) => format!("{socket} ({scheme}, path {path})"),
        };
        notice(format!(
            "listening on {place} ({})",
            summary(&app.catalog())
        ));
        app.serve(listener, stop).await;
        Ok(())
    }
}

/// Handles SIGINT and SIGTERM from now on. The future resolves at the first signal; the second ends the process.
fn stop_signal() -> impl Future<Output = ()> {
    let signals = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async move {
        let Ok((mut interrupt, mut terminate)) = signals else {
            // Without handlers a signal ends the process, which stops the server as well.
            return std::future::pending().await;
        };
        let mut next = async move || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        tracing::info!("shutting down");
        tokio::spawn(async move {
            next().await;
            std::process::exit(INTERRUPTED);
        });
    }
}
