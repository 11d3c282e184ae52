//! Scans the references: resolves them to files and loads the files that have changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use super::conflicts;
use super::loader::{FailedLoad, LoadedFiles, Loader, ScanInput, ScanResult};
use super::problem::ComponentProblem;
use super::sources::{self, SourceKey};
use crate::catalog::Registration;
use crate::reference::{ComponentFile, ReferenceError};

/// The results of the last scan.
#[derive(Default)]
pub(super) struct State {
    /// The files of each reference, in the order of the references.
    pub(super) by_reference: Vec<Vec<ComponentFile>>,
    pub(super) served: LoadedFiles,
    /// The versions loaded last, including those that are not served because of a conflict.
    pub(super) loaded: LoadedFiles,
    pub(super) failed: BTreeMap<SourceKey, FailedLoad>,
    /// Digests of components with grants, by the index of the `[[component]]` with the grants. Kept after a component
    /// is gone, because another one may take its place.
    pub(super) granted_digests: BTreeMap<usize, String>,
}

/// The results of a new scan.
pub(super) struct Scan {
    pub(super) results: Vec<ScanResult>,
    pub(super) loaded: LoadedFiles,
    pub(super) by_reference: Vec<Vec<ComponentFile>>,
    problems: Vec<ComponentProblem>,
}

/// The references to scan.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All references, for the first time. The progress is reported.
    Initial,
    /// All references, at the request of the operator. Failed files are loaded again, since the cause may lie outside
    /// the file.
    All,
    /// All references, under another configuration.
    Configured,
    /// Only the components that are outdated, under another configuration.
    Outdated,
    /// The watched references, after a change. The flags are in the order of the references.
    Watched(&'a [bool]),
}

impl Scan {
    /// Scans the references, loading up to `concurrency` files at a time.
    pub(super) async fn run(
        loader: &Arc<Loader>,
        state: &State,
        scope: Scope<'_>,
        concurrency: usize,
    ) -> Self {
        let (config, remotes) = (loader.config.clone(), loader.remotes.clone());
        let previous = state.by_reference.clone();
        let served: Vec<_> = state.served.keys().cloned().collect();
        let watched = match scope {
            Scope::Initial | Scope::All | Scope::Configured => None,
            Scope::Outdated => Some(Vec::new()),
            Scope::Watched(watched) => Some(watched.to_vec()),
        };
        let knows_failures = watched.is_some();
        let may_defer = matches!(scope, Scope::Watched(_));
        let resolving = tokio::task::spawn_blocking(move || {
            let is_fixed = |index: usize| {
                let watched = watched.as_ref();
                watched.is_some_and(|watched| watched.get(index) != Some(&true))
            };
            sources::resolve(&config, &remotes, &previous, &served, is_fixed)
        });
        let sources = match resolving.await {
            Ok(sources) => sources,
            Err(error) => {
                // Keep everything: without the list of files it is unknown which are new and which are gone.
                let error = ReferenceError::Unreadable("the references".into(), error.into());
                return Self {
                    results: state.served.iter().map(ScanResult::unchanged).collect(),
                    loaded: state.loaded.clone(),
                    by_reference: state.by_reference.clone(),
                    problems: vec![error.into()],
                };
            }
        };
        let scans = sources.files.into_iter().map(|source| {
            let key = source.key();
            let failed = state.failed.get(&key);
            loader.scan(ScanInput {
                served: state.served.get(&key),
                loaded: state.loaded.get(&key),
                failed: failed.filter(|_| knows_failures),
                may_defer,
                source,
            })
        });
        let progress = match scope {
            Scope::Initial => loader.config.on_load_progress,
            _ => None,
        };
        let total = scans.len();
        let mut results = Vec::with_capacity(total);
        let mut scans = futures::stream::iter(scans).buffered(concurrency);
        while let Some(result) = scans.next().await {
            results.push(result);
            if let Some(report) = progress {
                report(results.len(), total);
            }
        }
        let loaded = results
            .iter()
            .filter_map(|result| Some((result.key.clone(), result.to_serve.clone()?)))
            .collect();
        conflicts::reject_shared_data(&mut results, &state.served);
        Self {
            results,
            loaded,
            by_reference: sources.by_reference,
            problems: sources.problems,
        }
    }

    /// Returns the registrations of the components to serve.
    pub(super) fn registrations(&self) -> impl Iterator<Item = &Registration> {
        let to_serve = self.results.iter().filter_map(|r| r.to_serve.as_ref());
        to_serve.map(|loaded| &loaded.registration)
    }

    /// Takes the problems of the references and of the files.
    pub(super) fn take_problems(&mut self) -> Vec<ComponentProblem> {
        let mut problems = std::mem::take(&mut self.problems);
        for result in &mut self.results {
            problems.append(&mut result.problems);
        }
        problems
    }
}
