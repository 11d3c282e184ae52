//! `toolcrib push`: pushes a component to a registry and prints its reference with the digest.

use std::path::PathBuf;

use clap::Args;
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{Failure, fail, fail_usage, say};
use super::pull;
use crate::component::World;
use crate::reference::{ComponentFile, OciLocation, Remote};
use crate::reload;
use crate::text::error_chain;

#[derive(Args)]
pub(super) struct Push {
    /// The component's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where it goes: oci://REGISTRY/REPOSITORY:TAG.
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    config: ConfigOptions,
}

impl Push {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let location = parse(&self.reference)?;
        // The references of the configuration are not pushed.
        let config = configure(&self.config.overrides(Vec::new()), Level::WARN)?;
        let reading = tokio::task::spawn_blocking(move || read(self.file));
        let (bytes, world) = reading.await.map_err(fail)?.map_err(fail)?;
        let fetcher = reload::fetcher(&config).map_err(|problems| {
            for problem in &problems {
                fail(error_chain(problem));
            }
            Failure::Failed
        })?;
        let digest = fetcher
            .push(&location, bytes.into(), world.imports, world.exports)
            .await
            .map_err(|error| fail(format!("`{}`: {}", self.reference, error_chain(&error))))?;
        let pushed = OciLocation {
            digest: Some(digest),
            ..location
        };
        say!("{pushed}");
        Ok(())
    }
}

/// Parses the reference that a component is pushed under.
fn parse(text: &str) -> Result<OciLocation, Failure> {
    let error = |reason: &str| {
        let way_out = "name oci://REGISTRY/REPOSITORY:TAG";
        Err(fail_usage(format!("`{text}` {reason}; {way_out}")))
    };
    match pull::parse(text)? {
        Remote::Web(_) => error("is not in a registry"),
        Remote::Oci(location) if location.digest.is_some() => {
            error("has a digest, which the registry gives only afterwards")
        }
        Remote::Oci(_) if text.contains('#') => {
            error("selects a tool, and a component is pushed whole")
        }
        Remote::Oci(location) => Ok(location),
    }
}

/// Reads a component and its world.
fn read(path: PathBuf) -> Result<(Vec<u8>, World), String> {
    let shown = path.display().to_string();
    let read = ComponentFile::local(path).read(None);
    // There are always bytes if no fingerprint is known.
    let read = read.map_err(|error| error.to_string())?;
    let (bytes, _) = read.ok_or_else(|| format!("`{shown}` cannot be read"))?;
    let world = World::read(&bytes).map_err(|reason| format!("`{shown}`: {reason}"))?;
    Ok((bytes, world))
}
