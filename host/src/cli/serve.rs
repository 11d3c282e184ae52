//! `toolcrib serve`: serves components over Streamable HTTP.

use clap::Args;
use tokio::signal::unix::Signal;
use tracing::Level;

use super::options::{AccessOptions, ConfigOptions, WatchOptions};
use super::output::Failure;
use super::server::Server;
use super::signals::StopSignals;

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
        let server = Server::start(overrides, Level::INFO, |_| {}, &mut signals).await?;
        if server.is_open {
            tracing::warn!(
                server.listen = %server.settings.listen,
                "authentication is off, every client that reaches the address may call"
            );
        }
        server.announce();
        server.serve(hangup, signals.stop()).await;
        Ok(())
    }
}
