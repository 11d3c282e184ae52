//! Loads the configured components and replaces them when their files change.
//!
//! `remotes` fetches remote components, `sources` resolves references to files, `described` reads what lies beside them,
//! `content` reads a component's files, of which `composition` makes one component, `loader` loads it and verifies its
//! `signatures`, `conflicts` decides which components the next catalog has, `registry` publishes that catalog, and `watcher`
//! triggers a rescan after a file has changed. `reconfigure` does all of this for another configuration.

mod pool_samples;
mod problem;

mod protected_paths;
mod remotes;

mod online;

mod signatures;

mod described;
mod sources;

mod content;

mod composition;
mod suggestion;

mod loader;

mod conflicts;
mod scan;
mod status;

mod registry;

mod follow;
mod watcher;

mod reconfigure;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use online::{OnlineCheck, checks as online_checks};
pub use problem::ComponentProblem;
pub(crate) use reconfigure::Reload;
pub(crate) use registry::ComponentRegistry;
pub(crate) use remotes::fetcher;

use loader::LoadedFiles;

use crate::catalog::Catalog;
use crate::config::Config;
use crate::shared::Shared;
use crate::telemetry::Observer;

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
    let (watched, watcher) = watcher::start(config).await;
    let (registry, problems) =
        ComponentRegistry::load(config.clone(), watched, observer.clone(), shared).await?;
    let registry = Arc::new(registry);
    status::log_skipped(&LoadedFiles::new(), &registry.state.lock().await.loaded);
    let ended = registry.setup().ended.clone();
    if let Some(watcher) = watcher {
        tokio::spawn(watcher.run(registry.clone(), ended.clone()));
    }
    follow::start(&registry, &ended);
    Ok((registry, problems))
}

/// Loads the configured components once, each for itself: of components with the same names, all are returned. Also
/// returns the problems of the others, and the conflicts.
///
/// # Errors
/// Every problem, if one of them is not about a single component.
pub(crate) async fn load_apart(
    config: &Config,
) -> Result<(Vec<Catalog>, Vec<ComponentProblem>), Vec<ComponentProblem>> {
    let config = Arc::new(config.clone());
    let setup = registry::set_up(config, Vec::new(), None).await?;
    registry::scan_apart(&setup).await
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
