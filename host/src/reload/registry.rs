//! The components that are served: loaded at the start, and looked at again when
//! their files may have changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::{Mutex, watch};

use super::loader::{FailedLoad, Files, Loaded, Loader, ScanInput, ScanResult};
use super::sources;
use super::{ComponentProblem, conflicts, status};
use crate::catalog::{CallLimits, Catalog, LiveCatalog, Registration};
use crate::config::{Config, WatchMode};
use crate::engine::{self, Engine};
use crate::reference::{ComponentFile, ReferenceError};
use crate::sandbox::keyvalue::Store;

/// What is served, and where it comes from.
pub(crate) struct ComponentRegistry {
    loader: Loader,
    calls: Arc<CallLimits>,
    live: LiveCatalog,
    problems: watch::Sender<Vec<String>>,
    /// Whether each reference is watched; empty where none is.
    watched: Vec<bool>,
    /// Held while the references are looked at.
    held: Mutex<Held>,
}

/// What the last look found.
#[derive(Default)]
struct Held {
    by_reference: Vec<Vec<ComponentFile>>,
    /// What is served.
    files: Files,
    /// What was loaded last, also where it could not stand beside the others.
    loaded: Files,
    broken: BTreeMap<PathBuf, FailedLoad>,
    /// The digests of what had grants, by the settings that give them: also of what
    /// is gone, since something else may come in its place.
    granted: BTreeMap<usize, String>,
}

/// Everything, looked at.
struct Look {
    files: Vec<ScanResult>,
    loaded: Files,
    by_reference: Vec<Vec<ComponentFile>>,
    problems: Vec<ComponentProblem>,
}

/// Which references are looked up again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Watched,
}

/// A file was still being written, so there is something left to see.
pub(super) struct Unsettled;

impl ComponentRegistry {
    /// Loads every component that the configuration names; whoever watches says which
    /// of its references are `watched`. With it come the problems from now on, one
    /// line each.
    ///
    /// # Errors
    /// Every fault of every reference and component, unless the configuration says
    /// to go on without the broken ones.
    pub(super) async fn load(
        config: Arc<Config>,
        watched: Vec<bool>,
    ) -> Result<(Self, watch::Receiver<Vec<String>>), Vec<ComponentProblem>> {
        let all = config.components.iter().map(|settings| &settings.limits);
        let all = all.chain([&config.limits]);
        let memory_bytes = all.map(|limits| limits.memory_bytes).max();
        let keep_going = config.keep_going;
        let engine = Engine::new(&engine::EngineConfig {
            slots: config.server.max_concurrent_calls,
            memory_bytes: memory_bytes.unwrap_or(config.limits.memory_bytes),
            cache: config.cache.clone(),
        })
        .map_err(|error| vec![error.into()])?;
        let calls = Arc::new(config.places());
        let (problems, heard) = watch::channel(Vec::new());
        let registry = Self {
            watched,
            live: LiveCatalog::new(Catalog::new(calls.clone())),
            loader: Loader {
                store: Store::new(&config.kv),
                config,
                engine,
            },
            calls,
            problems,
            held: Mutex::default(),
        };

        let mut held = registry.held.lock().await;
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut look = registry.look(&held, Scope::All, at_once).await;
        let mut found = look.take_problems();
        if !keep_going && let Err(errors) = Catalog::build(look.listings(), registry.calls.clone())
        {
            found.extend(errors.into_iter().map(ComponentProblem::Catalog));
        }
        if !found.iter().all(|p| keep_going && p.is_of_component()) {
            return Err(found);
        }
        found.extend(registry.take_in(&mut held, look));
        status::problems(&registry.problems, &found, &[]);
        drop(held);
        Ok((registry, heard))
    }

    /// Looks at every reference again and takes in what has changed.
    pub(crate) async fn reload(&self) -> Vec<ComponentProblem> {
        let mut held = self.held.lock().await;
        let mut look = self.look(&held, Scope::All, engine::SPARE_SLOTS).await;
        let mut found = look.take_problems();
        found.extend(self.take_in(&mut held, look));
        status::problems(&self.problems, &found, &[]);
        found
    }

    /// As [`ComponentRegistry::reload`], of what is watched.
    ///
    /// # Errors
    /// When a file was still being written. What is wrong with it is not said yet.
    pub(super) async fn follow(&self) -> Result<(), Unsettled> {
        let mut held = self.held.lock().await;
        let mut look = self.look(&held, Scope::Watched, engine::SPARE_SLOTS).await;
        let mut is_unsettled = false;
        for file in look.files.iter_mut().filter(|file| file.is_unsettled) {
            is_unsettled = true;
            file.problems.clear();
        }
        let mut found = look.take_problems();
        found.extend(self.take_in(&mut held, look));
        let broken = held.broken.values().flat_map(|broken| &broken.lines);
        let mut before: Vec<_> = broken.cloned().collect();
        if is_unsettled {
            // What was said of that file may still be true.
            before.extend(self.problems.borrow().iter().cloned());
        }
        status::problems(&self.problems, &found, &before);
        if is_unsettled { Err(Unsettled) } else { Ok(()) }
    }

    /// Opens the data of `wasi:keyvalue` where a component is granted a bucket.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) async fn open_store(&self) -> Result<(), Vec<ComponentProblem>> {
        let catalog = self.live.now();
        let mut components = catalog.components().iter();
        if components.all(|served| served.component.grants.kv.is_empty()) {
            return Ok(());
        }
        self.loader
            .store
            .open()
            .await
            .map_err(|error| vec![error.into()])
    }

    /// What is served.
    pub(crate) fn live(&self) -> LiveCatalog {
        self.live.clone()
    }

    /// Whether what is served can change.
    pub(crate) fn can_change(&self) -> bool {
        self.loader.config.changes == WatchMode::Manual || self.watched.contains(&true)
    }

    /// Resolves when nobody has the problems any longer.
    pub(super) async fn is_unwanted(&self) {
        self.problems.closed().await;
    }

    async fn look(&self, held: &Held, scope: Scope, at_once: usize) -> Look {
        let (config, watched) = (self.loader.config.clone(), self.watched.clone());
        let last = held.by_reference.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let is_fixed =
                |index: usize| scope == Scope::Watched && watched.get(index) != Some(&true);
            sources::find(&config, &last, is_fixed)
        });
        let found = match looking.await {
            Ok(found) => found,
            Err(error) => {
                // Without a file there is nothing to take in, and nothing to let go.
                let error = ReferenceError::Unreadable("the references".into(), error.into());
                return Look {
                    files: held.files.iter().map(ScanResult::unseen).collect(),
                    loaded: held.loaded.clone(),
                    by_reference: held.by_reference.clone(),
                    problems: vec![error.into()],
                };
            }
        };
        let looking = found.files.into_iter();
        let looking = looking.map(|file| {
            let path = &file.source.path;
            let broken = held.broken.get(path);
            self.loader.look_at(ScanInput {
                served: held.files.get(path),
                loaded: held.loaded.get(path),
                // Who asks by hand may know of something that does not show in the file.
                broken: broken.filter(|_| scope == Scope::Watched),
                is_patient: scope == Scope::Watched,
                file,
            })
        });
        let mut files: Vec<_> = futures::stream::iter(looking)
            .buffered(at_once)
            .collect()
            .await;
        let loaded = files
            .iter()
            .filter_map(|file| Some((file.path.clone(), file.holding.clone()?)));
        let loaded = loaded.collect();
        conflicts::keep_apart(&mut files, &held.files);
        Look {
            files,
            loaded,
            by_reference: found.by_reference,
            problems: found.problems,
        }
    }

    /// Serves what was found, as far as its parts can stand beside each other:
    /// why the others cannot.
    fn take_in(&self, held: &mut Held, mut look: Look) -> Vec<ComponentProblem> {
        let broken = look.files.iter_mut();
        let broken = broken.filter_map(|file| Some((file.path.clone(), file.broken.take()?)));
        let broken = broken.collect();
        let (catalog, files, errors) = conflicts::arrange(look.files, &held.files, &self.calls);
        let is_same = |(path, holding): (&PathBuf, &Loaded)| {
            let before = held.files.get(path);
            before.is_some_and(|before| before.listing.is_same(&holding.listing))
        };
        if files.len() != held.files.len() || !files.iter().all(is_same) {
            // At the start there is a line of its own for all of them.
            if !held.by_reference.is_empty() {
                status::changes(&held.files, &files);
            }
            status::granted(&mut held.granted, &files);
            self.live.swap(catalog);
        }
        held.files = files;
        held.loaded = look.loaded;
        held.broken = broken;
        held.by_reference = look.by_reference;
        errors.into_iter().map(ComponentProblem::Catalog).collect()
    }
}

impl Look {
    fn listings(&self) -> impl Iterator<Item = &Registration> {
        let holdings = self.files.iter().filter_map(|file| file.holding.as_ref());
        holdings.map(|holding| &holding.listing)
    }

    fn take_problems(&mut self) -> Vec<ComponentProblem> {
        let mut problems = std::mem::take(&mut self.problems);
        for file in &mut self.files {
            problems.append(&mut file.problems);
        }
        problems
    }
}
