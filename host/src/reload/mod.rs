//! Loads the configured components and replaces them when their files change.
//!
//! `remotes` fetches remote components, `sources` resolves references to files, `loader` loads one file and verifies its
//! `signatures`, `conflicts` decides which components the next catalog has, `registry` publishes that catalog, and `watcher`
//! triggers a rescan after a file has changed.

mod problem;

mod protected_paths;
mod remotes;
mod signatures;

mod sources;

mod loader;

mod conflicts;
mod scan;
mod status;

mod registry;

mod follow;
mod watcher;

use std::sync::Arc;

use tokio::sync::watch;

pub use problem::ComponentProblem;
pub(crate) use registry::ComponentRegistry;
pub(crate) use remotes::fetcher;

use crate::config::Config;
use crate::shared::Shared;
use crate::telemetry::Observer;
use watcher::Watcher;

/// Loads the configured components and rescans the watched ones after each change.
///
/// `shared` counts rates together with other replicas. The receiver holds the current problems, one line each. Watching ends when its last clone is dropped.
///
/// # Errors
/// Every problem of every reference and component.
pub(crate) async fn start(
    config: &Arc<Config>,
    observer: &Observer,
    shared: Option<&Shared>,
) -> Result<(Arc<ComponentRegistry>, watch::Receiver<Vec<String>>), Vec<ComponentProblem>> {
    // Decided once: a path that does not exist yet may become a file or a directory.
    let references = config.references.iter();
    let watched: Vec<_> = references.map(|r| config.watch.is_watched(r)).collect();
    let references = config.references.iter().zip(&watched);
    let references = references.filter(|(_, is_watched)| **is_watched);
    let references = references.map(|(reference, _)| reference.clone());
    // Started before the files are read, so that no change is missed.
    let watcher = watched
        .contains(&true)
        .then(|| Watcher::start(references.collect()));
    let (registry, problems) =
        ComponentRegistry::load(config.clone(), watched, observer.clone(), shared).await?;
    let registry = Arc::new(registry);
    if let Some(watcher) = watcher {
        tokio::spawn(watcher.run(registry.clone()));
    }
    follow::start(&registry);
    Ok((registry, problems))
}

/// Loads the configured components once.
///
/// # Errors
/// Every problem of every reference and component.
pub(crate) async fn load_once(config: &Config) -> Result<ComponentRegistry, Vec<ComponentProblem>> {
    let config = Arc::new(config.clone());
    let observer = Observer::default();
    let (registry, _) = ComponentRegistry::load(config, Vec::new(), observer, None).await?;
    Ok(registry)
}
