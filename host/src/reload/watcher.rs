//! Watches the files that the references name and triggers a rescan after a change.
//!
//! An event only says that something has changed. The rescan decides what.

use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::loader::SETTLE_TIME;
use super::registry::ComponentRegistry;
use crate::config::Config;
use crate::reference::{Reference, WatchPaths};

/// Upper limit of the time that a rescan is delayed by further changes.
const MAX_DEBOUNCE: Duration = Duration::from_secs(1);
/// Time between rescans while not every change can be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Starts to watch the references of a configuration, before their files are read, so that no change is missed. Returns
/// whether each is watched, and the watcher if any is.
pub(super) async fn start(config: &Arc<Config>) -> (Vec<bool>, Option<Watcher>) {
    // Decided once: a path that does not exist yet may become a file or a directory.
    let references = config.references.iter();
    let watched: Vec<_> = references.map(|r| config.watch.is_watched(r)).collect();
    let references = config.references.iter().zip(&watched);
    let references = references.filter(|(_, is_watched)| **is_watched);
    let mut references: Vec<_> = references.map(|(r, _)| r.clone()).collect();
    let composed = config.components.iter();
    let composed = composed.filter(|component| references.contains(&component.reference));
    let parts = composed.flat_map(|component| &component.with);
    let parts: Vec<_> = parts.map(|part| part.reference.clone()).collect();
    references.extend(parts);
    if references.is_empty() {
        return (watched, None);
    }
    let starting = tokio::task::spawn_blocking(|| Watcher::start(references));
    // Fails only if the runtime shuts down.
    (watched, starting.await.ok())
}

/// Watches the files of references.
pub(super) struct Watcher {
    references: Vec<Reference>,
    changed: Arc<Notify>,
    /// Dropping it stops the watching. `None` if nothing can be watched.
    inner: Option<RecommendedWatcher>,
    /// Whether to rescan at intervals because not every change can be watched.
    is_polling: bool,
}

impl Watcher {
    /// Starts watching. Changes are remembered until [`Watcher::run`] handles them.
    fn start(references: Vec<Reference>) -> Self {
        let mut watcher = Self {
            references,
            changed: Arc::default(),
            inner: None,
            is_polling: false,
        };
        watcher.rewatch();
        watcher
    }

    /// Rescans after each change until `ended` is cancelled or the last receiver of the registry's problems is dropped.
    pub(super) async fn run(mut self, registry: Arc<ComponentRegistry>, ended: CancellationToken) {
        let changed = self.changed.clone();
        let rescans = async {
            loop {
                tokio::select! {
                    () = changed.notified() => debounce(&changed).await,
                    () = tokio::time::sleep(POLL_INTERVAL), if self.is_polling => {}
                }
                // Before the rescan: changes during it are noticed, and a directory that replaced another is watched.
                let rewatching = tokio::task::spawn_blocking(move || {
                    self.rewatch();
                    self
                });
                match rewatching.await {
                    Ok(watcher) => self = watcher,
                    Err(error) => {
                        tracing::error!(%error, "file watching stopped");
                        return;
                    }
                }
                if registry.rescan_watched().await.is_err() {
                    // A writer that pauses may have finished already, without another event.
                    changed.notify_one();
                }
            }
        };
        tokio::select! {
            () = rescans => {}
            () = registry.closed() => {}
            () = ended.cancelled() => {}
        }
    }

    /// Watches what the references need now. A watch stays with the inode that its path had, so all are set up anew.
    fn rewatch(&mut self) {
        let mut paths = WatchPaths::default();
        for reference in &self.references {
            paths.add(reference);
        }
        let paths = Arc::new(paths);
        let (changed, relevant) = (self.changed.clone(), paths.clone());
        let on_event = move |event: notify::Result<notify::Event>| {
            if is_relevant(&event, &relevant) {
                changed.notify_one();
            }
        };
        let mut failure = None;
        match notify::recommended_watcher(on_event) {
            Ok(mut inner) => {
                for dir in paths.dirs() {
                    match inner.watch(dir, RecursiveMode::NonRecursive) {
                        Ok(()) => {}
                        // Removed after its path was resolved.
                        Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {
                            self.changed.notify_one();
                        }
                        Err(error) => failure = Some(error),
                    }
                }
                self.inner = Some(inner);
            }
            // The previous watcher continues.
            Err(error) => failure = Some(error),
        }
        match &failure {
            Some(error) if !self.is_polling => tracing::warn!(
                %error,
                "file watching failed, components are checked every {} s instead; raise the sysctls \
                 fs.inotify.max_user_instances and fs.inotify.max_user_watches",
                POLL_INTERVAL.as_secs(),
            ),
            None if self.is_polling => tracing::info!("file watching restored"),
            _ => {}
        }
        self.is_polling = failure.is_some();
    }
}

/// Returns whether an event can change what the references name. Reading cannot.
fn is_relevant(event: &notify::Result<notify::Event>, watched: &WatchPaths) -> bool {
    let Ok(event) = event else {
        return true;
    };
    let is_read = matches!(event.kind, EventKind::Access(kind)
        if kind != AccessKind::Close(AccessMode::Write));
    // An overflow of the kernel's event queue has no path.
    let paths = &event.paths;
    !is_read && (paths.is_empty() || paths.iter().any(|path| watched.is_relevant(path)))
}

/// Waits until there was no change for [`SETTLE_TIME`], but at most [`MAX_DEBOUNCE`].
async fn debounce(changed: &Notify) {
    let deadline = Instant::now() + MAX_DEBOUNCE;
    loop {
        let quiet = deadline.min(Instant::now() + SETTLE_TIME);
        tokio::select! {
            () = tokio::time::sleep_until(quiet) => return,
            () = changed.notified() => {}
        }
    }
}
