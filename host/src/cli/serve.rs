//! `toolcrib serve`

use std::io::ErrorKind;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Access, Common, Failure, Watch, configure, fail, report, served};
use crate::app::App;
use crate::config;

#[derive(Args)]
pub(super) struct Serve {
    /// Components: a file (`#tool` selects one of its tools), a directory or a glob pattern.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    watch: Watch,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut overrides = self.common.overrides(self.references);
        overrides.listen = self.access.listen;
        overrides.no_auth = self.access.no_auth;
        self.watch.lay_over(&mut overrides);
        let config = configure(&overrides, tracing::Level::INFO)?;
        let server = config.server.clone();
        let is_open = matches!(config.access, config::Access::Open);
        let app = App::build(config).await.map_err(|error| report(&error))?;
        app.open_store().await.map_err(|error| report(&error))?;
        if is_open {
            tracing::warn!(server.listen = %server.listen, "everybody who reaches the address may call");
        }
        for warning in app.warnings() {
            tracing::warn!(warning, "check the configuration");
        }
        let listener = TcpListener::bind(server.listen).await.map_err(|error| {
            let way_out = match error.kind() {
                ErrorKind::AddrInUse => "; stop what uses it, or choose another with --listen",
                ErrorKind::PermissionDenied => "; choose a port above 1023 with --listen",
                ErrorKind::AddrNotAvailable => "; it is no address of this machine",
                _ => "",
            };
            fail(format!(
                "cannot listen on {}: {error}{way_out}",
                server.listen
            ))
        })?;
        let address = listener.local_addr().map_err(fail)?;
        // Before the line that invites the first signal.
        let stop = stop_signal();
        eprintln!(
            "listening on {}://{address}{} ({})",
            server.scheme(),
            server.path,
            served(&app.catalog()),
        );
        app.serve(listener, stop).await;
        Ok(())
    }
}

/// Takes SIGINT and SIGTERM from now on. The future resolves at the first; the
/// second ends the process.
fn stop_signal() -> impl Future<Output = ()> {
    let signals = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async move {
        let Ok((mut interrupt, mut terminate)) = signals else {
            // Without handlers the signals end the process, which stops the server too.
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
            std::process::exit(130);
        });
    }
}
