//! `toolcrib dev`: builds a project after each change, and serves its components on this machine.

mod build;
mod calls;
mod project;
mod sources;

mod builder;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::process::Command;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tracing::Level;

use super::options::parse_listen;
use super::output::{Failure, fail, fail_usage, notice, summary};
use super::server::Server;
use super::signals::StopSignals;
use crate::catalog::Catalog;
use crate::config::{Config, Listen, Overrides};
use builder::{Builder, LastChange, seconds};
use project::Project;

/// Time for running calls after Ctrl-C: the author waits.
const MAX_DRAIN: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(super) struct Dev {
    /// The folder of the project, or one of components [default: the current directory]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The configuration file, with grants for the components [default: `toolcrib.toml` in DIR, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The command that builds the components [default: `make build`, if DIR has a Makefile with that target]
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// Time after which a build is stopped.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = parse_time)]
    build_timeout: Duration,
    /// Where to listen: ADDRESS:PORT or localhost:PORT of this machine; port 0 picks a free one.
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    listen: Listen,
    /// Open the URL in the browser.
    #[arg(long)]
    open: bool,
}

impl Dev {
    pub(super) async fn run(self, hangup: Option<Signal>) -> Result<(), Failure> {
        let mut signals = StopSignals::handle();
        if !self.listen.is_local() || matches!(self.listen, Listen::Unix(_)) {
            return Err(fail_usage(format!(
                "`toolcrib dev` serves everybody who reaches it, so it listens on addresses of this machine only, not on {}; \
                 choose one such as 127.0.0.1:8081, or use `toolcrib serve`",
                self.listen
            )));
        }
        let project = Project::enter(self.dir, self.config, self.build).map_err(fail_usage)?;
        let overrides = Overrides {
            references: references(&project)?,
            watch_config: project.config.is_some(),
            file: project.config,
            listen: Some(self.listen),
            no_auth: true,
            watch: Some(true),
            keep_going: true,
            ..Overrides::default()
        };
        let adjust = |config: &mut Config| {
            config.on_request = Some(calls::print);
            config.server.drain = config.server.drain.min(MAX_DRAIN);
        };
        let server = Server::start(overrides, Level::WARN, adjust, &mut signals).await?;
        server.announce();
        if let Some(origin) = server.origin() {
            notice(format!("open {origin}/ in a browser"));
            if self.open {
                open(&format!("{origin}/"));
            }
        }
        let last_change = LastChange::default();
        tokio::spawn(announce_changes(server.app.catalogs(), last_change.clone()));
        let builder = project.build.map(|command| Builder {
            command,
            timeout: self.build_timeout,
            last_change,
            stop: server.app.draining(),
        });
        let building = builder.map(|builder| tokio::spawn(builder.run()));
        server.serve(None, stopped(signals, hangup)).await;
        if let Some(building) = building {
            // Ends the processes of a running build.
            building.await.map_err(fail)?;
        }
        Ok(())
    }
}

/// Returns the references that the configuration lacks: the components of the project.
fn references(project: &Project) -> Result<Vec<String>, Failure> {
    let own = vec![".".to_owned()];
    let Some(file) = &project.config else {
        return Ok(own);
    };
    let overrides = Overrides {
        file: Some(file.clone()),
        no_auth: true,
        ..Overrides::default()
    };
    match Config::load(&overrides) {
        Ok(config) if config.references.is_empty() => Ok(own),
        // Its errors are reported when the server starts.
        _ => Ok(Vec::new()),
    }
}

/// Resolves after Ctrl-C, and when the terminal is closed.
async fn stopped(signals: StopSignals, hangup: Option<Signal>) {
    let closed = async {
        match hangup {
            Some(mut hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = signals.stop() => {}
        _ = closed => {}
    }
}

/// Prints what is served after each change of the components.
async fn announce_changes(mut catalogs: watch::Receiver<Arc<Catalog>>, last_change: LastChange) {
    catalogs.mark_unchanged();
    while catalogs.changed().await.is_ok() {
        let summary = summary(&catalogs.borrow_and_update());
        match last_change.take() {
            Some(change) => notice(format!(
                "serving {summary}, {} after the change",
                seconds(change)
            )),
            None => notice(format!("serving {summary}")),
        }
    }
}

/// Opens a URL in the browser.
fn open(url: &str) {
    let program = match cfg!(target_os = "macos") {
        true => "open",
        false => "xdg-open",
    };
    let null = std::process::Stdio::null;
    let mut command = Command::new(program);
    command.arg(url).stdin(null()).stdout(null()).stderr(null());
    if let Err(error) = command.spawn() {
        notice(format!(
            "`{program}` cannot be started: {error}; open {url} yourself"
        ));
    }
}

/// Parses a time such as `90s`, which must be longer than zero.
fn parse_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("must be a time such as \"90s\" or \"30m\"".into()),
    }
}
