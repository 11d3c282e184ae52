//! Hears when what the references name may have changed, and has it looked at
//! again. Nothing is taken from an event but that there was one.

use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::loader::SETTLED;
use super::registry::ComponentRegistry;
use crate::reference::{Reference, WatchPaths};

/// How long a change waits for the next one at most.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// How long until the next look where not every change is heard.
const MAX_DEAF: Duration = Duration::from_secs(5);

/// Watches what references name.
pub(super) struct Watcher {
    references: Vec<Reference>,
    changed: Arc<Notify>,
    /// Ends with its last hold. `None` where nothing can be watched.
    watching: Option<RecommendedWatcher>,
    /// Whether not every change is heard.
    is_deaf: bool,
}

impl Watcher {
    pub(super) fn start(references: Vec<Reference>) -> Self {
        let mut watcher = Self {
            references,
            changed: Arc::default(),
            watching: None,
            is_deaf: false,
        };
        watcher.renew();
        watcher
    }

    /// Has everything looked at after every change, until nobody is there for whom.
    pub(super) async fn run(mut self, registry: Arc<ComponentRegistry>) {
        let changed = self.changed.clone();
        let work = async {
            loop {
                tokio::select! {
                    () = changed.notified() => settled(&changed).await,
                    () = tokio::time::sleep(MAX_DEAF), if self.is_deaf => {}
                }
                // Before the look: what happens after this one is heard, and a
                // directory that took another's place is watched.
                let renewed = tokio::task::spawn_blocking(move || {
                    self.renew();
                    self
                });
                match renewed.await {
                    Ok(renewed) => self = renewed,
                    Err(error) => {
                        tracing::error!(%error, "changes of components are no longer noticed");
                        return;
                    }
                }
                if registry.follow().await.is_err() {
                    // Somebody still writes, and may do so without another event.
                    changed.notify_one();
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = registry.is_unwanted() => {}
        }
    }

    /// Watches what the references need now. It starts anew each time: a watch is
    /// of what a path led to when it was set.
    fn renew(&mut self) {
        let mut watch_paths = WatchPaths::default();
        for reference in &self.references {
            watch_paths.add(reference);
        }
        let watch_paths = Arc::new(watch_paths);
        let (changed, concerned) = (self.changed.clone(), watch_paths.clone());
        let hear = move |event: notify::Result<notify::Event>| {
            if is_change(&event, &concerned) {
                changed.notify_one();
            }
        };
        let mut failure = None;
        match notify::recommended_watcher(hear) {
            Ok(mut watching) => {
                for dir in watch_paths.dirs() {
                    match watching.watch(dir, RecursiveMode::NonRecursive) {
                        Ok(()) => {}
                        // It was there a moment ago.
                        Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {
                            self.changed.notify_one();
                        }
                        Err(error) => failure = Some(error),
                    }
                }
                self.watching = Some(watching);
            }
            // The old one goes on.
            Err(error) => failure = Some(error),
        }
        match &failure {
            Some(error) if !self.is_deaf => tracing::warn!(
                %error,
                "changes of components are not reported, and looked for every {} s instead; raise \
                 the sysctls fs.inotify.max_user_instances and fs.inotify.max_user_watches",
                MAX_DEAF.as_secs(),
            ),
            None if self.is_deaf => tracing::info!("changes of components are reported again"),
            _ => {}
        }
        self.is_deaf = failure.is_some();
    }
}

/// Reading is no change, and what the references do not need is none either.
fn is_change(event: &notify::Result<notify::Event>, watch_paths: &WatchPaths) -> bool {
    let Ok(event) = event else {
        return true;
    };
    let is_read = matches!(event.kind, EventKind::Access(kind)
        if kind != AccessKind::Close(AccessMode::Write));
    // An overflow of the queue has no path.
    let paths = &event.paths;
    !is_read && (paths.is_empty() || paths.iter().any(|path| watch_paths.concern(path)))
}

/// Waits until there was no change for a moment.
async fn settled(changed: &Notify) {
    let end = Instant::now() + MAX_WAIT;
    loop {
        let quiet = end.min(Instant::now() + SETTLED);
        tokio::select! {
            () = tokio::time::sleep_until(quiet) => return,
            () = changed.notified() => {}
        }
    }
}
