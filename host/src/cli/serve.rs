//! `toolcrib serve`: serves components over Streamable HTTP.

use std::io::ErrorKind;

use clap::Args;
use tokio::signal::unix::Signal;
use tracing::Level;

use super::config_files::ConfigFiles;
use super::configuration::Follower;
use super::options::{AccessOptions, ConfigOptions, WatchOptions, configure_with_text};
use super::output::{Failure, fail, notice, report, summary};
use super::signals::StopSignals;
use crate::app::App;
use crate::config::{Access, Listen};

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
    /// Read the configuration file again when it changes, as after SIGHUP.
    #[arg(long, requires = "config")]
    watch_config: bool,
}

impl Serve {
    pub(super) async fn run(self, hangup: Option<Signal>) -> Result<(), Failure> {
        let mut signals = StopSignals::handle();
        let mut overrides = self.config.overrides(self.references);
        self.access.apply(&mut overrides);
        self.watch.apply(&mut overrides);
        overrides.watch_config = self.watch_config;
        let (text, config) = configure_with_text(&overrides, Level::INFO)?;
        let files = ConfigFiles::new(&text, &config).await;
        let server = config.server.clone();
        let is_open = matches!(config.access, Access::Open);
        let start = async {
            let app = App::build(config).await?;
            app.open_store().await?;
            Ok(app)
        };
        let app = signals.during_start(start).await;
        let app = app.map_err(|error| report(&error))?;
        if overrides.file.is_some() {
            app.reconfigurer().record_start(text.digest());
        }
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
        let follower = Follower {
            reconfigurer: app.reconfigurer(),
            overrides,
            text,
            files,
            hangup,
            draining: app.draining(),
        };
        tokio::spawn(follower.run());
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
        app.serve(listener, signals.stop()).await;
        Ok(())
    }
}
