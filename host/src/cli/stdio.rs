//! `toolcrib stdio`

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Common, Failure, configure, report};
use crate::catalog::Live;
use crate::{app, mcp};

#[derive(Args)]
pub(super) struct Stdio {
    /// Components: a file (`#tool` selects one of its tools), a directory or a glob pattern.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Stdio {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.common.overrides(self.references);
        let config = configure(&overrides, tracing::Level::WARN)?;
        let catalog = app::load_to_call(&config)
            .await
            .map_err(|error| report(&error))?;
        let shutdown = CancellationToken::new();
        let draining = CancellationToken::new();
        let server = app::tool_server(&config, Live::new(catalog), draining, shutdown.clone());
        let served = mcp::serve_stdio(&server).await;
        shutdown.cancel();
        served.map_err(super::fail)
    }
}
