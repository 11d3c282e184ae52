//! `toolcrib bundle`: an MCP bundle (`.mcpb`) that starts `toolcrib stdio`, which desktop clients install with a click.

mod archive;
mod contents;
mod manifest;

use std::path::PathBuf;

use clap::Args;
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{Failure, fail, fail_usage, report, say, summary};
use crate::app;
use contents::Contents;
use manifest::Description;

/// End of the name of a bundle.
const EXTENSION: &str = "mcpb";

#[derive(Args)]
pub(super) struct Bundle {
    /// Components: files (`#tool` selects one tool of a file), directories, glob patterns, https://… or oci://…
    #[arg(value_name = "REF")]
    references: Vec<String>,
    #[command(flatten)]
    config: ConfigOptions,
    /// The file to write: NAME.mcpb.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The name of the bundle [default: that of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The version of the bundle.
    #[arg(long = "version", value_name = "VERSION", default_value = "1.0.0")]
    bundle_version: String,
    /// One line about the bundle [default: the names of its tools]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The author's name.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    author: String,
}

impl Bundle {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let has_extension = self.output.extension().is_some_and(|end| end == EXTENSION);
        if !has_extension {
            return Err(fail_usage(format!(
                "`{}` is no name of a bundle; choose one that ends in .{EXTENSION}",
                self.output.display()
            )));
        }
        let stem = self.output.file_stem().unwrap_or_default();
        let name = self.name.unwrap_or_else(|| stem.to_string_lossy().into());
        let description =
            Description::new(name, self.bundle_version, self.description, self.author);
        let description = description.map_err(fail_usage)?;
        let overrides = self.config.overrides(self.references);
        let mut config = configure(&overrides, Level::WARN)?;
        config.server.max_concurrent_calls = 1;
        let catalog = app::load(&config).await.map_err(|error| report(&error))?;
        let is_configured = overrides.references.is_empty();
        let contents = Contents::collect(&config, is_configured, &catalog).await?;
        let manifest = description.manifest(&contents.arguments, &catalog);
        let size_bytes = archive::write(&self.output, contents.files, &manifest).map_err(fail)?;
        let mebibytes = size_bytes as f64 / f64::from(1 << 20);
        say!(
            "{}: {}, {mebibytes:.1} MiB",
            self.output.display(),
            summary(&catalog)
        );
        Ok(())
    }
}
