//! The components that are served: loaded at startup, and rescanned when their files may have changed.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::conflicts::{self, Resolution};
use super::loader::{Loaded, Loader};
use super::pool_samples;
use super::problem::ComponentProblem;
use super::remotes::{Remotes, is_signature_required};
use super::scan::{Scan, Scope, State};
use super::sources::SourceKey;
use super::status;
use crate::catalog::{CallLimits, Catalog, LiveCatalog};
use crate::config::{ComponentConfig, Config, WatchMode, max_memory_bytes};
use crate::engine::{self, Engine};
use crate::reference::{Reference, ReferenceError};
use crate::sandbox::keyvalue::Store;
use crate::shared::Shared;
use crate::telemetry::{Observer, Sample};

/// The components that are served, and the state needed to reload them.
pub(crate) struct ComponentRegistry {
    /// Replaced only while `state` is locked.
    setup: RwLock<Arc<Setup>>,
    live: LiveCatalog,
    /// The current problems, one line each.
    pub(super) problems: watch::Sender<Vec<String>>,
    observer: Observer,
    /// Locked during a scan.
    pub(super) state: Mutex<State>,
}

/// Everything that depends on the configuration.
pub(super) struct Setup {
    pub(super) loader: Arc<Loader>,
    pub(super) call_limits: Arc<CallLimits>,
    /// Whether each reference is watched; empty if none is.
    pub(super) watched: Vec<bool>,
    /// Ends the watching of the references and the following of remote ones.
    pub(super) ended: CancellationToken,
}

/// A file may still be written, so it has to be scanned again.
pub(super) struct Unsettled;

impl Setup {
    /// Returns whether the problem prevents a start.
    pub(super) fn is_fatal(&self, problem: &ComponentProblem) -> bool {
        let keep_going = self.loader.config.keep_going;
        !(keep_going && problem.is_skippable() || self.is_filled_later(problem))
    }

    /// Returns whether the problem is a watched directory or pattern without components, such as a new volume: those that
    /// appear there are served later.
    fn is_filled_later(&self, problem: &ComponentProblem) -> bool {
        let ComponentProblem::Reference(ReferenceError::Empty(text)) = problem else {
            return false;
        };
        let mut references = self.loader.config.references.iter().zip(&self.watched);
        references.any(|(reference, is_watched)| *is_watched && reference.to_string() == *text)
    }

    /// Returns the problems of a scan, if one of them prevents a start.
    ///
    /// # Errors
    /// Every problem, one of which is fatal.
    pub(super) fn check(
        &self,
        scan: &mut Scan,
    ) -> Result<Vec<ComponentProblem>, Vec<ComponentProblem>> {
        let mut found = scan.take_problems();
        if !self.loader.config.keep_going
            && let Err(errors) = Catalog::build(scan.registrations(), self.call_limits.clone())
        {
            found.extend(errors.into_iter().map(ComponentProblem::Catalog));
        }
        match found.iter().any(|problem| self.is_fatal(problem)) {
            true => Err(found),
            false => Ok(found),
        }
    }
}

/// Rejects components that are followed and need not be signed.
///
/// # Errors
/// Every such component.
pub(super) fn check_followed(config: &Config) -> Result<(), Vec<ComponentProblem>> {
    let unsigned = |component: &&ComponentConfig| {
        component.follow.is_some() && !is_signature_required(config, &component.reference)
    };
    let unsigned = config.components.iter().filter(unsigned);
    let unsigned: Vec<_> = unsigned
        .map(|component| ComponentProblem::FollowUnsigned(component.reference.to_string()))
        .collect();
    match unsigned.is_empty() {
        true => Ok(()),
        false => Err(unsigned),
    }
}

/// Prepares everything that the components of a configuration need: the remote ones and the engine.
///
/// # Errors
/// Every problem of the remote components, or that of the engine.
pub(super) async fn set_up(
    config: Arc<Config>,
    watched: Vec<bool>,
    shared: Option<&Shared>,
) -> Result<Arc<Setup>, Vec<ComponentProblem>> {
    check_followed(&config)?;
    let remotes = Arc::new(Remotes::fetch(&config, None).await?);
    let engine = Engine::new(&engine::EngineConfig {
        slots: config.server.max_concurrent_calls,
        memory_bytes: max_memory_bytes(&config),
        cache: config.cache.clone(),
        cache_max_bytes: config.cache_max_bytes,
        compiler: config.compiler.clone(),
        preview3: config.preview3,
    })
    .map_err(|error| vec![error.into()])?;
    if config.preview3 {
        tracing::warn!(
            "`wasi.preview3` is on: wasmtime calls its implementation of WASI 0.3 experimental, unstable, incomplete and \
             not ready for production, and publishes no patch releases for security bugs that are limited to it"
        );
    }
    let per_caller = config.calls_per_caller();
    let call_limits = CallLimits::new(config.server.max_concurrent_calls, per_caller);
    let rates = shared.map(Shared::rates);
    let call_limits = Arc::new(call_limits.with_shared_rates(rates));
    Ok(Arc::new(Setup {
        loader: Arc::new(Loader {
            store: Store::new(&config.kv),
            config,
            engine,
            remotes,
        }),
        call_limits,
        watched,
        ended: CancellationToken::new(),
    }))
}

/// Loads every component into a catalog of its own. Also returns the problems of the others, and the conflicts.
///
/// # Errors
/// Every problem, if one of them is not about a single component.
pub(super) async fn scan_apart(
    setup: &Arc<Setup>,
) -> Result<(Vec<Catalog>, Vec<ComponentProblem>), Vec<ComponentProblem>> {
    let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
    let mut scan = Scan::run(
        &setup.loader,
        &State::default(),
        Scope::Initial,
        concurrency,
    )
    .await;
    let mut problems = scan.take_problems();
    if problems.iter().any(|problem| !problem.is_skippable()) {
        return Err(problems);
    }
    let (mut catalogs, mut errors) = (Vec::new(), Vec::new());
    for registration in scan.registrations() {
        match Catalog::build([registration], setup.call_limits.clone()) {
            Ok(catalog) => catalogs.push(catalog),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty()
        && let Err(found) = Catalog::build(scan.registrations(), setup.call_limits.clone())
    {
        errors = found;
    }
    problems.extend(errors.into_iter().map(ComponentProblem::Catalog));
    Ok((catalogs, problems))
}

impl ComponentRegistry {
    /// Loads every configured component. `watched` tells which references are watched, and `shared` counts rates together
    /// with other replicas. The receiver holds the current problems, one line each.
    ///
    /// # Errors
    /// Every problem of every reference and component. With `keep_going`, problems of single components are not errors.
    pub(super) async fn load(
        config: Arc<Config>,
        watched: Vec<bool>,
        observer: Observer,
        shared: Option<&Shared>,
    ) -> Result<(Self, watch::Receiver<Vec<String>>), Vec<ComponentProblem>> {
        let setup = set_up(config, watched, shared).await?;
        let (problems, receiver) = watch::channel(Vec::new());
        let live = LiveCatalog::new(Catalog::new(setup.call_limits.clone()));
        let registry = Self {
            setup: RwLock::new(setup.clone()),
            live,
            observer,
            problems,
            state: Mutex::default(),
        };

        let mut state = registry.state.lock().await;
        let concurrency = std::thread::available_parallelism().map_or(1, usize::from);
        let mut scan = Scan::run(&setup.loader, &state, Scope::Initial, concurrency).await;
        let mut found = setup.check(&mut scan)?;
        found.extend(registry.publish(&mut state, scan));
        status::report_problems(&registry.problems, &found, &[]);
        drop(state);
        Ok((registry, receiver))
    }

    /// Returns what depends on the configuration that is in force.
    pub(super) fn setup(&self) -> Arc<Setup> {
        let setup = self.setup.read().unwrap_or_else(PoisonError::into_inner);
        setup.clone()
    }

    /// Replaces what depends on the configuration, and ends the watching of the previous references. `_state` is that of
    /// this registry.
    pub(super) fn replace_setup(&self, setup: Arc<Setup>, _state: &State) {
        let mut current = self.setup.write().unwrap_or_else(PoisonError::into_inner);
        current.ended.cancel();
        *current = setup;
    }

    /// Rescans every reference and publishes the changes. Returns the remaining problems.
    pub(crate) async fn reload(&self) -> Vec<ComponentProblem> {
        let loader = self.setup().loader.clone();
        loader.remotes.retry(&loader.config).await;
        let mut state = self.state.lock().await;
        let loader = self.setup().loader.clone();
        let mut scan = Scan::run(&loader, &state, Scope::All, engine::SPARE_SLOTS).await;
        let mut found = scan.take_problems();
        found.extend(self.publish(&mut state, scan));
        status::report_problems(&self.problems, &found, &[]);
        found
    }

    /// Rescans the watched references and publishes the changes.
    ///
    /// # Errors
    /// A file may still be written. Its problems are not reported yet.
    pub(super) async fn rescan_watched(&self) -> Result<(), Unsettled> {
        self.rescan(|setup| setup.watched.clone()).await
    }

    /// Rescans the references with these flags, in the order of the references, and publishes the changes.
    ///
    /// # Errors
    /// A file may still be written. Its problems are not reported yet.
    async fn rescan(&self, flags: impl FnOnce(&Setup) -> Vec<bool>) -> Result<(), Unsettled> {
        let mut state = self.state.lock().await;
        let setup = self.setup();
        let flags = flags(&setup);
        let scope = Scope::Watched(&flags);
        let mut scan = Scan::run(&setup.loader, &state, scope, engine::SPARE_SLOTS).await;
        let mut is_unsettled = false;
        for result in scan.results.iter_mut().filter(|r| r.is_unsettled) {
            is_unsettled = true;
            result.problems.clear();
        }
        let mut found = scan.take_problems();
        found.extend(self.publish(&mut state, scan));
        let failed = state.failed.values().flat_map(|failed| &failed.lines);
        let mut earlier: Vec<_> = failed.cloned().collect();
        if is_unsettled {
            // The problems reported for an unsettled file may still apply.
            earlier.extend(self.problems.borrow().iter().cloned());
        }
        status::report_problems(&self.problems, &found, &earlier);
        if is_unsettled { Err(Unsettled) } else { Ok(()) }
    }

    /// Returns the references that are resolved again at intervals.
    pub(super) fn followed(&self) -> Vec<(Reference, Duration)> {
        let setup = self.setup();
        let config = &setup.loader.config;
        if matches!(config.watch, WatchMode::Never | WatchMode::Manual) {
            return Vec::new();
        }
        let components = config.components.iter();
        let followed = components.filter_map(|c| Some((c.reference.clone(), c.follow?)));
        followed
            .filter(|(reference, _)| config.references.contains(reference))
            .collect()
    }

    /// Resolves a remote reference again, and replaces its component if it names another one now.
    pub(super) async fn refresh(&self, reference: &Reference) {
        let Setup { loader, .. } = &*self.setup();
        let is_other = loader.remotes.refresh(&loader.config, reference).await;
        // A version that was not signed when it was pushed may be signed now.
        if self.forget_failure(reference).await || is_other {
            let flags = |setup: &Setup| {
                let config = &setup.loader.config;
                let is_same = |other: &Reference| other.remote() == reference.remote();
                let is_composed = |other: &Reference| {
                    let mut components = config.components.iter();
                    components.any(|c| {
                        c.reference == *other && c.with.iter().any(|part| is_same(&part.reference))
                    })
                };
                let references = config.references.iter();
                references.map(|r| is_same(r) || is_composed(r)).collect()
            };
            // Fetched files are complete.
            let _ = self.rescan(flags).await;
        }
    }

    /// Forgets that the component of a remote reference could not be loaded. Returns whether that was so.
    async fn forget_failure(&self, reference: &Reference) -> bool {
        let Some(remote) = reference.remote() else {
            return false;
        };
        let name = PathBuf::from(remote.to_string());
        let mut state = self.state.lock().await;
        let failures = state.failed.len();
        state.failed.retain(|key, _| key.path != name);
        state.failed.len() < failures
    }

    /// Opens the key-value store if a component is granted a bucket.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub(crate) async fn open_store(&self) -> Result<(), Vec<ComponentProblem>> {
        let catalog = self.live.current();
        let mut components = catalog.components().iter();
        if components.all(|entry| entry.component.grants.kv.is_empty()) {
            return Ok(());
        }
        let store = self.setup().loader.store.clone();
        store.open().await.map_err(|error| vec![error.into()])
    }

    /// Returns the handle to the catalog that is served now.
    pub(crate) fn live(&self) -> LiveCatalog {
        self.live.clone()
    }

    /// Returns a source of metrics about the pool of instances.
    pub(crate) fn pool_source(&self) -> impl Fn(&mut Vec<Sample>) + Send + Sync + use<> {
        let counts = self.setup().loader.engine.pool_counts();
        move |samples| {
            if let Some(counts) = counts() {
                pool_samples::add(counts, samples);
            }
        }
    }

    /// Returns whether the catalog can be replaced.
    pub(crate) fn can_change(&self) -> bool {
        let setup = self.setup();
        setup.loader.config.watch == WatchMode::Manual
            || setup.loader.config.watch_config
            || setup.watched.contains(&true)
            || !self.followed().is_empty()
    }

    /// Resolves when the last receiver of the problems is dropped.
    pub(super) async fn closed(&self) {
        self.problems.closed().await;
    }

    /// Replaces the catalog with the components of a scan. Returns the conflicts between them.
    pub(super) fn publish(&self, state: &mut State, mut scan: Scan) -> Vec<ComponentProblem> {
        let failed = scan.results.iter_mut();
        let failed = failed.filter_map(|r| Some((r.key.clone(), r.failed.take()?)));
        let failed = failed.collect();
        // Commands that load components once do not log what they show.
        if !state.by_reference.is_empty() {
            status::log_skipped(&state.loaded, &scan.loaded);
        }
        let Resolution {
            catalog,
            served,
            errors,
        } = conflicts::resolve(scan.results, &state.served, &self.setup().call_limits);
        let is_same = |(key, loaded): (&SourceKey, &Loaded)| {
            let before = state.served.get(key);
            before.is_some_and(|before| before.registration.is_same(&loaded.registration))
        };
        if served.len() != state.served.len() || !served.iter().all(is_same) {
            // The first scan is not logged file by file: the line about listening summarises it.
            if !state.by_reference.is_empty() {
                status::log_changes(&state.served, &served);
            }
            status::audit_changes(&self.observer, &state.served, &served);
            status::log_changed_grantees(&mut state.granted_digests, &served);
            self.live.replace(catalog);
        }
        state.served = served;
        state.loaded = scan.loaded;
        state.failed = failed;
        state.by_reference = scan.by_reference;
        errors.into_iter().map(ComponentProblem::Catalog).collect()
    }
}
