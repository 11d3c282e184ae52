//! The components that are served: loaded at the start, and looked at again when
//! their files may have changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use tokio::sync::{Mutex, watch};

use super::sources::{self, File};
use super::{BuildError, Problem, arrange, report};
use crate::catalog::{Calls, Catalog, Listing, Live, Places};
use crate::component::{self, Component};
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::reference::{ReferenceError, Source};
use crate::sandbox::keyvalue::Store;

/// A file that did not change for this long is not being written.
pub(super) const SETTLED: Duration = Duration::from_millis(100);

/// What is served, and where it comes from.
pub(crate) struct Stock {
    config: Arc<Config>,
    engine: Engine,
    store: Store,
    calls: Arc<Calls>,
    live: Live,
    problems: watch::Sender<Vec<String>>,
    /// Whether each reference is watched.
    watched: Vec<bool>,
    /// Held while the references are looked at.
    held: Mutex<Held>,
}

/// What the last look found.
#[derive(Default)]
struct Held {
    by_reference: Vec<Vec<Source>>,
    files: HashMap<PathBuf, Holding>,
}

/// What is served of one file.
#[derive(Clone)]
pub(super) struct Holding {
    settings: Option<usize>,
    pub(super) listing: Listing,
}

/// One file, looked at.
pub(super) struct Looked {
    pub(super) path: PathBuf,
    /// What is to be served of it.
    pub(super) holding: Option<Holding>,
    pub(super) problems: Vec<Problem>,
    /// Whether somebody was still writing it.
    is_unsettled: bool,
}

/// Everything, looked at.
struct Look {
    files: Vec<Looked>,
    by_reference: Vec<Vec<Source>>,
    problems: Vec<Problem>,
}

/// Which references are looked up again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Watched,
}

/// A file was still being written, so there is something left to see.
pub(super) struct Unsettled;

impl Stock {
    /// Loads every component that the configuration names. With it come the
    /// problems from now on, one line each.
    ///
    /// # Errors
    /// Every fault of every reference and component, unless the configuration says
    /// to go on without the broken ones.
    pub(super) async fn load(
        config: Arc<Config>,
    ) -> Result<(Self, watch::Receiver<Vec<String>>), BuildError> {
        let all = config.components.iter().map(|settings| &settings.limits);
        let all = all.chain([&config.limits]);
        let memory_bytes = all.map(|limits| limits.memory_bytes).max();
        let engine = Engine::new(&engine::Settings {
            slots: config.server.max_concurrent_calls,
            memory_bytes: memory_bytes.unwrap_or(config.limits.memory_bytes),
            cache: config.cache.clone(),
        })
        .map_err(|error| BuildError {
            problems: vec![error.into()],
        })?;
        let calls = Arc::new(config.places());
        let (problems, heard) = watch::channel(Vec::new());
        let references = config.references.iter();
        let stock = Self {
            watched: references.map(|r| config.changes.are_watched(r)).collect(),
            live: Live::new(Catalog::new(calls.clone())),
            store: Store::new(&config.kv),
            config,
            engine,
            calls,
            problems,
            held: Mutex::default(),
        };

        let mut held = stock.held.lock().await;
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut look = stock.look(&held, Scope::All, at_once).await;
        let mut found = look.take_problems();
        let keep_going = stock.config.keep_going;
        if !keep_going && let Err(errors) = Catalog::build(look.listings(), stock.calls.clone()) {
            found.extend(errors.into_iter().map(Problem::Catalog));
        }
        if !found.iter().all(|p| keep_going && p.is_of_component()) {
            return Err(BuildError { problems: found });
        }
        found.extend(stock.take_in(&mut held, look));
        report::problems(&stock.problems, &found, &[]);
        drop(held);
        Ok((stock, heard))
    }

    /// Looks at every reference again and takes in what has changed.
    pub(super) async fn reload(&self) -> Vec<Problem> {
        let mut held = self.held.lock().await;
        let mut look = self.look(&held, Scope::All, engine::SPARE_SLOTS).await;
        let mut found = look.take_problems();
        found.extend(self.take_in(&mut held, look));
        report::problems(&self.problems, &found, &[]);
        found
    }

    /// As [`Stock::reload`], of what is watched.
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
        if is_unsettled {
            // What was said of that file may still be true.
            let before = self.problems.borrow().clone();
            report::problems(&self.problems, &found, &before);
            return Err(Unsettled);
        }
        report::problems(&self.problems, &found, &[]);
        Ok(())
    }

    /// Opens the data of `wasi:keyvalue` where a component is granted a bucket.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) async fn open_store(&self) -> Result<(), BuildError> {
        let catalog = self.live.now();
        let mut components = catalog.components().iter();
        if components.all(|served| served.component.grants.kv.is_empty()) {
            return Ok(());
        }
        self.store.open().await.map_err(|error| BuildError {
            problems: vec![error.into()],
        })
    }

    /// What is served.
    pub(crate) fn live(&self) -> Live {
        self.live.clone()
    }

    /// Resolves when nobody has the problems any longer.
    pub(super) async fn is_unwanted(&self) {
        self.problems.closed().await;
    }

    async fn look(&self, held: &Held, scope: Scope, at_once: usize) -> Look {
        let (config, watched) = (self.config.clone(), self.watched.clone());
        let last = held.by_reference.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let is_fixed = |index: usize| scope == Scope::Watched && !watched[index];
            sources::find(&config, &last, is_fixed)
        });
        let found = match looking.await {
            Ok(found) => found,
            Err(error) => {
                // Without a file there is nothing to take in, and nothing to let go.
                let error = ReferenceError::Unreadable("the references".into(), error.into());
                let files = held.files.iter().map(|(path, holding)| Looked {
                    path: path.clone(),
                    holding: Some(holding.clone()),
                    problems: Vec::new(),
                    is_unsettled: false,
                });
                return Look {
                    files: files.collect(),
                    by_reference: held.by_reference.clone(),
                    problems: vec![error.into()],
                };
            }
        };
        let looking = found.files.into_iter().map(|file| {
            let held = held.files.get(&file.source.path);
            self.look_at(file, held)
        });
        let mut look = Look {
            files: futures::stream::iter(looking)
                .buffered(at_once)
                .collect()
                .await,
            by_reference: found.by_reference,
            problems: found.problems,
        };
        arrange::keep_apart(&mut look.files, &held.files);
        look
    }

    async fn look_at(&self, file: File, held: Option<&Holding>) -> Looked {
        let path = file.source.path.clone();
        let same = |problems, is_unsettled| Looked {
            path: path.clone(),
            holding: held.cloned(),
            problems,
            is_unsettled,
        };
        if file.stays {
            return same(Vec::new(), false);
        }
        match self.load_one(file, held).await {
            Ok(holding) => Looked {
                path,
                holding: Some(holding),
                problems: Vec::new(),
                is_unsettled: false,
            },
            Err(problems) => same(problems, is_unsettled(&path)),
        }
    }

    async fn load_one(&self, file: File, held: Option<&Holding>) -> Result<Holding, Vec<Problem>> {
        let source = file.source;
        // Settings do not change, so those of the same place are the same.
        let held = held.filter(|held| held.settings == file.settings);
        let (bytes, digest) = read(&source).await.map_err(|e| vec![e.into()])?;
        if let Some(held) = held.filter(|held| held.listing.component.digest == digest) {
            let mut same = held.clone();
            same.listing.selected = source.tools;
            return Ok(same);
        }
        let settings = file.settings.map(|index| &self.config.components[index]);
        let name = settings
            .and_then(|s| s.name.as_deref())
            .unwrap_or(&source.stem);
        let limits = settings.map_or(&self.config.limits, |s| &s.limits).clone();
        let pinned = settings.and_then(|s| s.digest.as_deref());
        let grants = settings.map(|s| s.allow.clone()).unwrap_or_default();
        let grants = (grants, &self.store);
        let component = Component::load(&self.engine, name, bytes, pinned, limits, grants)
            .await
            .map_err(|errors| {
                let problem = |error| Problem::Component {
                    path: source.path.clone(),
                    error,
                };
                errors.into_iter().map(problem).collect::<Vec<_>>()
            })?;
        let places = match held {
            Some(held) => held.listing.places.clone(),
            None => Arc::new(Places::new(&component)),
        };
        Ok(Holding {
            settings: file.settings,
            listing: Listing {
                component: Arc::new(component),
                places,
                prefix: settings.map(|s| s.prefix.clone()).unwrap_or_default(),
                scopes: settings.map(|s| s.scopes.clone()).unwrap_or_default(),
                selected: source.tools,
                only: settings.and_then(|s| s.only.clone()),
                exclude: settings.map(|s| s.exclude.clone()).unwrap_or_default(),
                tools: settings.map(|s| s.tools.clone()).unwrap_or_default(),
            },
        })
    }

    /// Serves what was found, as far as its parts can stand beside each other:
    /// why the others cannot.
    fn take_in(&self, held: &mut Held, look: Look) -> Vec<Problem> {
        let (catalog, files, errors) = arrange::arrange(look.files, &held.files, &self.calls);
        let is_same = |(path, holding): (&PathBuf, &Holding)| {
            let before = held.files.get(path);
            before.is_some_and(|before| before.listing.is_same(&holding.listing))
        };
        if files.len() != held.files.len() || !files.iter().all(is_same) {
            // At the start there is a line of its own for all of them.
            if !held.by_reference.is_empty() {
                report::changes(&held.files, &files);
            }
            held.files = files;
            self.live.swap(catalog);
        }
        held.by_reference = look.by_reference;
        errors.into_iter().map(Problem::Catalog).collect()
    }
}

impl Look {
    fn listings(&self) -> impl Iterator<Item = &Listing> {
        let holdings = self.files.iter().filter_map(|file| file.holding.as_ref());
        holdings.map(|holding| &holding.listing)
    }

    fn take_problems(&mut self) -> Vec<Problem> {
        let mut problems = std::mem::take(&mut self.problems);
        for file in &mut self.files {
            problems.append(&mut file.problems);
        }
        problems
    }
}

async fn read(source: &Source) -> Result<(Vec<u8>, String), ReferenceError> {
    let reading = {
        let source = source.clone();
        tokio::task::spawn_blocking(move || {
            let bytes = source.read()?;
            let digest = component::digest(&bytes);
            Ok((bytes, digest))
        })
    };
    let name = || source.path.display().to_string();
    reading
        .await
        .unwrap_or_else(|error| Err(ReferenceError::Unreadable(name(), error.into())))
}

/// Whether somebody has just written the file, or taken it away.
fn is_unsettled(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|found| found.modified());
    match modified {
        // A time that is yet to come says nothing.
        Ok(modified) => SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age < SETTLED),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
