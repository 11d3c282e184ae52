//! The remote components: fetched once per start, and again only if they are followed.
//!
//! A remote component must be pinned, unless the operator has allowed otherwise: nobody else decides what runs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;

use super::problem::ComponentProblem;
use crate::artifact::{Artifact, FetchError, Fetcher};
use crate::config::{ComponentConfig, Config};
use crate::network::{Outbound, OutboundError};
use crate::reference::{ComponentFile, Reference, Remote};
use crate::text::error_chain;

/// Components fetched at once. More would not be faster on a common line, and registries limit the rate.
const MAX_CONCURRENT_FETCHES: usize = 4;

/// The remote components and their files.
#[derive(Default)]
pub(super) struct Remotes {
    /// `None` if there are no remote references.
    fetcher: Option<Fetcher>,
    fetched: RwLock<HashMap<Remote, Fetched>>,
}

/// The result of fetching one component.
type Fetched = Result<Artifact, Refusal>;

/// The reason why a remote component is not served.
#[derive(Clone)]
enum Refusal {
    Fetch(Arc<FetchError>),
    /// No digest is pinned; this is the digest.
    Unpinned(String),
}

/// Returns whether a signature is required of the component that a reference names, which then needs no pinned digest.
pub(super) fn is_signature_required(config: &Config, reference: &Reference) -> bool {
    let remote = reference.remote();
    remote.is_some_and(|remote| config.trust.is_signature_required(&remote.to_string()))
}

/// Creates what fetches components, as configured.
///
/// # Errors
/// Every error in `[network]`, or the cache cannot be used.
pub(crate) fn fetcher(config: &Config) -> Result<Fetcher, Vec<ComponentProblem>> {
    let network = &config.network;
    let (outbound, errors) = Outbound::new(network.proxy.as_ref(), network.ca.as_deref(), true);
    if !errors.is_empty() {
        let errors = errors.into_iter();
        let line = |error: OutboundError| format!("{} {}", error.key, error.message);
        return Err(errors.map(|e| ComponentProblem::Network(line(e))).collect());
    }
    let fetcher = Fetcher::new(
        outbound,
        network.private_network,
        config.cache.as_deref(),
        config.cache_max_bytes,
        config.offline,
    );
    fetcher.map_err(|error| {
        vec![ComponentProblem::Remote {
            reference: "the cache".to_owned(),
            error: Arc::new(error),
        }]
    })
}

impl Remotes {
    /// Returns what fetches components; `None` if there are no remote references.
    pub(super) fn fetcher(&self) -> Option<&Fetcher> {
        self.fetcher.as_ref()
    }

    /// Fetches the remote components that the store lacks. Their problems are those of [`Remotes::files`]. Those that were
    /// fetched for the `previous` configuration, and are pinned as before, are not resolved again.
    ///
    /// # Errors
    /// Every error in `[network]`, or the cache cannot be used.
    pub(super) async fn fetch(
        config: &Config,
        previous: Option<(&Self, &Config)>,
    ) -> Result<Self, Vec<ComponentProblem>> {
        let mut references: Vec<&Reference> = Vec::new();
        for reference in config.remote_references() {
            if references
                .iter()
                .all(|other| other.remote() != reference.remote())
            {
                references.push(reference);
            }
        }
        if references.is_empty() {
            return Ok(Self::default());
        }
        let fetcher = fetcher(config)?;
        let total = references.len();
        let mut fetched = HashMap::new();
        if let Some((remotes, old)) = previous {
            let known = remotes.fetched.read();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            references.retain(|reference| {
                let remote = reference.remote();
                let known = remote.and_then(|remote| known.get_key_value(remote));
                let is_pinned_alike = Pinning::of(old, reference) == Pinning::of(config, reference);
                let Some((remote, Ok(artifact))) = known.filter(|_| is_pinned_alike) else {
                    return true;
                };
                fetched.insert(remote.clone(), Ok(artifact.clone()));
                false
            });
        }
        let fetches = references.into_iter().filter_map(|reference| {
            let remote = reference.remote()?;
            let fetch = fetch(&fetcher, config, reference, remote);
            Some(async move { (remote.clone(), fetch.await) })
        });
        // Collected first: a closure in a stream would tie its lifetimes to those of the stream.
        let fetches: Vec<_> = fetches.collect();
        let mut fetches = futures::stream::iter(fetches).buffer_unordered(MAX_CONCURRENT_FETCHES);
        while let Some((remote, result)) = fetches.next().await {
            fetched.insert(remote, result);
            if let Some(report) = config.on_fetch_progress {
                report(fetched.len(), total);
            }
        }
        drop(fetches);
        Ok(Self {
            fetcher: Some(fetcher),
            fetched: RwLock::new(fetched),
        })
    }

    /// Returns the files that a reference names: a remote one its fetched file, a local one those that exist now.
    ///
    /// # Errors
    /// The reference cannot be resolved, or its component must not be served.
    pub(super) fn files(
        &self,
        reference: &Reference,
    ) -> Result<Vec<ComponentFile>, ComponentProblem> {
        let Some(remote) = reference.remote() else {
            return Ok(reference.resolve()?);
        };
        let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        match fetched.get(remote) {
            Some(Ok(artifact)) => {
                let Artifact {
                    path,
                    digest,
                    manifest,
                } = artifact.clone();
                let file = reference.fetched(path, digest, manifest);
                Ok(file.into_iter().collect())
            }
            Some(Err(Refusal::Fetch(error))) => Err(ComponentProblem::Remote {
                reference: remote.to_string(),
                error: error.clone(),
            }),
            Some(Err(Refusal::Unpinned(digest))) => Err(ComponentProblem::Unpinned {
                reference: remote.to_string(),
                digest: digest.clone(),
            }),
            // Not among the references to serve, such as a [[component]] that the command line has replaced.
            None => Ok(Vec::new()),
        }
    }

    /// Fetches the components again that could not be served.
    pub(super) async fn retry(&self, config: &Config) {
        let is_failed = |reference: &&Reference| {
            let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
            let remote = reference.remote();
            remote.is_some_and(|remote| matches!(fetched.get(remote), Some(Err(_))))
        };
        for reference in config.remote_references().filter(is_failed) {
            self.refresh(config, reference).await;
        }
    }

    /// Resolves a reference again. Returns whether it names another component now.
    pub(super) async fn refresh(&self, config: &Config, reference: &Reference) -> bool {
        let (Some(fetcher), Some(remote)) = (&self.fetcher, reference.remote()) else {
            return false;
        };
        let result = fetch(fetcher, config, reference, remote).await;
        if let Err(Refusal::Fetch(error)) = &result {
            tracing::warn!(
                component.reference = %remote,
                error = error_chain(&**error),
                "component not resolved again, the current version stays"
            );
            return false;
        }
        let mut fetched = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        let before = fetched.get(remote).and_then(|before| before.as_ref().ok());
        let is_same = match (before, &result) {
            (Some(before), Ok(now)) => before.digest == now.digest,
            _ => false,
        };
        if let Ok(now) = &result {
            fetched.insert(remote.clone(), Ok(now.clone()));
        }
        result.is_ok() && !is_same
    }
}

/// The settings that decide whether and which version of a remote component is served.
#[derive(PartialEq, Eq)]
struct Pinning<'c> {
    digest: Option<&'c str>,
    is_signed: bool,
    is_unpinned_allowed: bool,
}

impl<'c> Pinning<'c> {
    fn of(config: &'c Config, reference: &Reference) -> Self {
        let settings = config.components.iter();
        let is_same = |other: &Reference| other.remote() == reference.remote();
        let own = settings.clone().filter(|c| is_same(&c.reference));
        let parts = config.parts().filter(|part| is_same(&part.reference));
        let is_part = |c: &&ComponentConfig| c.with.iter().any(|part| is_same(&part.reference));
        let mut allowing = own.clone().chain(settings.filter(is_part));
        let digests = own.filter_map(|c| c.digest.as_deref());
        let mut digests = digests.chain(parts.filter_map(|part| part.digest.as_deref()));
        Self {
            digest: digests.next(),
            is_signed: is_signature_required(config, reference),
            is_unpinned_allowed: config.allow_unpinned || allowing.any(|c| c.allow_unpinned),
        }
    }
}

/// Fetches one component and checks that it is pinned.
async fn fetch(
    fetcher: &Fetcher,
    config: &Config,
    reference: &Reference,
    remote: &Remote,
) -> Fetched {
    let pinning = Pinning::of(config, reference);
    let artifact = fetcher
        .fetch(remote, pinning.digest, pinning.is_signed)
        .await
        .map_err(|error| Refusal::Fetch(Arc::new(error)))?;
    let is_fixed = matches!(remote, Remote::Oci(location) if location.digest.is_some());
    let Pinning {
        digest,
        is_signed,
        is_unpinned_allowed,
    } = pinning;
    match digest.is_some() || is_fixed || is_signed || is_unpinned_allowed {
        true => Ok(artifact),
        false => Err(Refusal::Unpinned(artifact.digest)),
    }
}
