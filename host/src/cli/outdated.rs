//! `toolcrib outdated`: shows which remote components have changed on their servers.

use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};
use tracing::Level;

use super::options::{ConfigOptions, configure};
use super::output::{Failure, fail_usage, print_json, report, say};
use super::pull::print_failure;
use crate::artifact::{FetchError, Fetcher};
use crate::config::Config;
use crate::reference::{Reference, Remote};
use crate::reload;
use crate::text::error_chain;

/// References that are asked for at once.
const MAX_CONCURRENT_REQUESTS: usize = 4;

/// Exit status: 0 if each is current, 1 if one has moved or could not be checked.
#[derive(Args)]
pub(super) struct Outdated {
    /// Components, instead of those in the configuration file.
    #[arg(value_name = "REF")]
    references: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigOptions,
}

/// The state of one reference.
struct State {
    /// The digest that is served: pinned, or else the last one that was fetched.
    served: Option<String>,
    current: String,
}

impl Outdated {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let overrides = self.config.overrides(self.references);
        let config = configure(&overrides, Level::WARN)?;
        let references: Vec<_> = config.remote_references().collect();
        if references.is_empty() {
            return Err(fail_usage(
                "no https:// or oci:// reference is named; name one, or a file with --config",
            ));
        }
        let fetcher = reload::fetcher(&config).map_err(|problems| report(&problems.into()))?;
        let checks = references.iter().filter_map(|reference| {
            let remote = reference.remote()?;
            let pinned = pinned(&config, reference);
            Some(check(&fetcher, remote, pinned))
        });
        let checks: Vec<_> = checks.collect();
        let mut checks = futures::stream::iter(checks).buffered(MAX_CONCURRENT_REQUESTS);
        let mut is_current = true;
        let mut reports = Vec::new();
        for reference in references {
            let Some(state) = checks.next().await else {
                break;
            };
            is_current &= matches!(&state, Ok(state) if state.is_current());
            match (state, self.json) {
                (Ok(state), false) => say!("{reference}: {state}"),
                (Err(error), false) => print_failure(&reference.to_string(), &error),
                (state, true) => reports.push(describe(reference, &state)),
            }
        }
        if self.json {
            print_json(&Value::Array(reports))?;
        }
        match is_current {
            true => Ok(()),
            false => Err(Failure::Failed),
        }
    }
}

impl State {
    fn is_current(&self) -> bool {
        self.served.as_ref() == Some(&self.current)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.served {
            Some(served) if self.is_current() => write!(f, "current ({served})"),
            Some(served) => write!(f, "moved from {served} to {}", self.current),
            None => write!(f, "not fetched yet, now {}", self.current),
        }
    }
}

/// Returns the digest that the configuration pins.
fn pinned<'c>(config: &'c Config, reference: &Reference) -> Option<&'c str> {
    let is_same = |other: &Reference| other.remote() == reference.remote();
    let mut components = config.components.iter();
    let component = components.find(|component| is_same(&component.reference));
    let mut parts = config.parts();
    match component {
        Some(component) => component.digest.as_deref(),
        None => parts
            .find(|part| is_same(&part.reference))?
            .digest
            .as_deref(),
    }
}

/// Compares the served version with the current one: the manifests if the reference pins one, else the components.
async fn check(
    fetcher: &Fetcher,
    remote: &Remote,
    pinned: Option<&str>,
) -> Result<State, FetchError> {
    let current = fetcher.current(remote).await?;
    let manifest = match remote {
        Remote::Oci(location) => location.digest.clone(),
        Remote::Web(_) => None,
    };
    Ok(match (manifest, current.manifest) {
        (Some(manifest), Some(current)) => State {
            served: Some(manifest),
            current,
        },
        _ => State {
            served: pinned.map(str::to_owned).or(fetcher.last_digest(remote)),
            current: current.digest,
        },
    })
}

fn describe(reference: &Reference, state: &Result<State, FetchError>) -> Value {
    match state {
        Ok(state) => json!({
            "reference": reference.to_string(),
            "served": state.served,
            "current": state.current,
            "moved": !state.is_current(),
        }),
        Err(error) => json!({
            "reference": reference.to_string(),
            "error": error_chain(error),
        }),
    }
}
