//! `toolcrib stdio`

use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Common, Failure, Watch, configure, report};
use crate::{app, mcp, reload};

#[derive(Args)]
pub(super) struct Stdio {
    /// Components: a file (`#tool` selects one of its tools), a directory or a glob pattern.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    watch: Watch,
}

impl Stdio {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut overrides = self.common.overrides(self.references);
        self.watch.lay_over(&mut overrides);
        let config = Arc::new(configure(&overrides, tracing::Level::WARN)?);
        let shutdown = CancellationToken::new();
        let draining = CancellationToken::new();
        // Watched for as long as somebody has the problems.
        let (registry, _problems) = reload::start(&config)
            .await
            .map_err(|problems| report(&problems.into()))?;
        registry
            .open_store()
            .await
            .map_err(|problems| report(&problems.into()))?;
        let server = app::tool_server(&config, &registry, draining, shutdown.clone());
        let served = mcp::serve_stdio(&server).await;
        shutdown.cancel();
        served.map_err(super::fail)
    }
}
