//! The HTTP server of `toolcrib serve` and `toolcrib dev`: started, listening, following its configuration.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::signal::unix::Signal;
use tracing::Level;

use super::config_files::ConfigFiles;
use super::configuration::Follower;
use super::options::configure_with_text;
use super::output::{Failure, fail, notice, report, summary};
use super::signals::StopSignals;
use crate::app::App;
use crate::config::{Access, Config, ConfigText, Listen, Overrides, ServerConfig};
use crate::http::Listener;

/// A server that listens.
pub(super) struct Server {
    pub(super) app: App,
    /// `[server]`
    pub(super) settings: ServerConfig,
    /// Whether every client may call.
    pub(super) is_open: bool,
    /// `None` if it listens on a Unix domain socket.
    bound: Option<SocketAddr>,
    listener: Listener,
    overrides: Overrides,
    text: ConfigText,
    files: ConfigFiles,
}

impl Server {
    /// Loads the components and listens. `adjust` changes the configuration, and `default_level` is the log level if there
    /// is no configuration file.
    ///
    /// # Errors
    /// The configuration is wrong, a component cannot be loaded, or the address cannot be used; reported already.
    pub(super) async fn start(
        overrides: Overrides,
        default_level: Level,
        adjust: impl FnOnce(&mut Config),
        signals: &mut StopSignals,
    ) -> Result<Self, Failure> {
        let (text, mut config) = configure_with_text(&overrides, default_level)?;
        adjust(&mut config);
        let files = ConfigFiles::new(&text, &config).await;
        let settings = config.server.clone();
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
        for warning in app.warnings() {
            tracing::warn!(warning, "check the configuration");
        }
        let listener = listen(&app, &settings).await?;
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
        Ok(Self {
            app,
            settings,
            is_open,
            bound,
            listener,
            overrides,
            text,
            files,
        })
    }

    /// Returns the URL without a path; `None` for a Unix domain socket.
    pub(super) fn origin(&self) -> Option<String> {
        let (scheme, bound) = (self.settings.scheme(), self.bound?);
        Some(match &self.settings.listen {
            Listen::Localhost(_) => format!("{scheme}://localhost:{}", bound.port()),
            _ => format!("{scheme}://{bound}"),
        })
    }

    /// Prints the place and what is served there.
    pub(super) fn announce(&self) {
        let path = &self.settings.path;
        let place = match self.origin() {
            Some(origin) => format!("{origin}{path}"),
            None => format!(
                "{} ({}, path {path})",
                self.settings.listen,
                self.settings.scheme()
            ),
        };
        notice(format!(
            "listening on {place} ({})",
            summary(&self.app.catalog())
        ));
    }

    /// Serves until `stop` resolves. Takes the configuration in again after `hangup`.
    pub(super) async fn serve(self, hangup: Option<Signal>, stop: impl Future<Output = ()>) {
        let follower = Follower {
            reconfigurer: self.app.reconfigurer(),
            overrides: self.overrides,
            text: self.text,
            files: self.files,
            hangup,
            draining: self.app.draining(),
        };
        tokio::spawn(follower.run());
        self.app.serve(self.listener, stop).await;
    }
}

async fn listen(app: &App, settings: &ServerConfig) -> Result<Listener, Failure> {
    app.listen().await.map_err(|error| {
        let is_socket = matches!(settings.listen, Listen::Unix(_));
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
        fail(format!(
            "cannot listen on {}: {error}{hint}",
            settings.listen
        ))
    })
}
