//! `toolcrib pull`: fetches remote components into the cache and prints how to pin them.

use std::path::Path;

use clap::Args;
use futures::StreamExt;
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{Failure, fail, fail_usage, report, say};
use crate::artifact::{Artifact, FetchError};
use crate::reference::{Reference, Remote};
use crate::reload;
use crate::text::error_chain;

/// Components fetched at once, as at the start of a server.
const MAX_CONCURRENT_FETCHES: usize = 4;

#[derive(Args)]
pub(super) struct Pull {
    /// Components: https://HOST/FILE.wasm or oci://REGISTRY/REPOSITORY:TAG.
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    #[command(flatten)]
    config: ConfigOptions,
}

impl Pull {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let references: Result<Vec<_>, _> = self.references.iter().map(|t| parse(t)).collect();
        let references = references?;
        // The references of the configuration are not pulled.
        let config = configure(&self.config.overrides(Vec::new()), Level::WARN)?;
        let fetcher = reload::fetcher(&config).map_err(|problems| report(&problems.into()))?;
        let fetches = references.iter().map(|remote| fetcher.pull(remote));
        let fetches: Vec<_> = fetches.collect();
        let mut fetches = futures::stream::iter(fetches).buffered(MAX_CONCURRENT_FETCHES);
        let mut has_failed = false;
        for text in &self.references {
            match fetches.next().await {
                Some(Ok(artifact)) => print(text, &artifact)?,
                Some(Err(error)) => {
                    print_failure(text, &error);
                    has_failed = true;
                }
                None => {}
            }
        }
        match has_failed {
            true => Err(Failure::Failed),
            false => Ok(()),
        }
    }
}

/// Parses a remote reference.
pub(super) fn parse(text: &str) -> Result<Remote, Failure> {
    let reference = Reference::parse(text, Path::new("")).map_err(fail_usage)?;
    let remote = reference.remote().cloned();
    remote.ok_or_else(|| {
        fail_usage(format!(
            "`{text}` is a local reference; name one that begins with https:// or oci://"
        ))
    })
}

/// Prints the error of one reference.
pub(super) fn print_failure(reference: &str, error: &FetchError) {
    fail(format!("`{reference}`: {}", error_chain(error)));
}

/// Prints the lines of a configuration file that pin the component.
fn print(reference: &str, artifact: &Artifact) -> Result<(), Failure> {
    say!("[[component]]");
    // The escapes of Rust and TOML are the same for the characters that a reference can have.
    say!("ref = {reference:?}");
    if let Some(manifest) = &artifact.manifest {
        say!("# manifest {manifest}");
    }
    say!("digest = \"{}\"", artifact.digest);
    Ok(())
}
