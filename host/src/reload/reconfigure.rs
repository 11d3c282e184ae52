//! Prepares the components of another configuration and puts them in force at once.
//!
//! A component whose own settings are the same stays loaded, with its limits on calls, whatever else changes: the order of
//! the `[[component]]` sections, prefixes, scopes, tools.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

use super::loader::{LoadedFiles, Loader};
use super::problem::ComponentProblem;
use super::protected_paths;
use super::registry::{ComponentRegistry, Setup, check_followed};
use super::remotes::Remotes;
use super::scan::{Scan, Scope, State};
use super::sources::SourceKey;
use super::watcher::{self, Watcher};
use super::{follow, status};
use crate::component::MissingImports;
use crate::config::{ComponentConfig, Config};
use crate::engine;

/// The components that are loaded for another configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// All whose file or settings have changed.
    Everything,
    /// Those whose settings have changed. Files are not looked at.
    Settings,
}

/// Components that are loaded and not in force yet. No other scan runs meanwhile.
pub(crate) struct Prepared<'r> {
    registry: &'r Arc<ComponentRegistry>,
    state: MutexGuard<'r, State>,
    setup: Arc<Setup>,
    watcher: Option<Watcher>,
    scan: Scan,
    problems: Vec<ComponentProblem>,
    /// Problems that were reported before and still apply.
    earlier: Vec<String>,
    components: Translation,
}

impl ComponentRegistry {
    /// Loads the components of another configuration, beside those that are served.
    ///
    /// # Errors
    /// Every problem of every reference and component, as at the start.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        config: Arc<Config>,
        reload: Reload,
    ) -> Result<Prepared<'_>, Vec<ComponentProblem>> {
        check_followed(&config)?;
        let state = self.state.lock().await;
        let current = self.setup();
        let old = &current.loader.config;
        let previous = (&*current.loader.remotes, &**old);
        let remotes = Arc::new(Remotes::fetch(&config, Some(previous)).await?);
        let (watched, watcher) = watcher::start(&config).await;
        let setup = Arc::new(Setup {
            call_limits: current
                .call_limits
                .with_calls_per_caller(config.calls_per_caller()),
            loader: Arc::new(Loader {
                config: config.clone(),
                engine: current.loader.engine.clone(),
                store: current.loader.store.clone(),
                remotes,
            }),
            watched,
            ended: CancellationToken::new(),
        });
        let components = Translation::new(old, &config);
        let failed = state.failed.iter();
        let known = State {
            by_reference: state.by_reference.clone(),
            served: components.configured(&state.served, old, &config),
            loaded: components.configured(&state.loaded, old, &config),
            failed: failed
                .map(|(key, failed)| (components.key(key), failed.clone()))
                .collect(),
            granted_digests: BTreeMap::new(),
        };
        let scope = match reload {
            Reload::Settings if old.references == config.references => Scope::Outdated,
            _ => Scope::Configured,
        };
        let mut scan = Scan::run(&setup.loader, &known, scope, engine::SPARE_SLOTS).await;
        let problems = setup.check(&mut scan)?;
        let mut to_serve = scan.registrations();
        let needs_store = to_serve.any(|r| !r.component.grants.kv.is_empty());
        drop(to_serve);
        if needs_store {
            let opened = setup.loader.store.open().await;
            opened.map_err(|error| vec![error.into()])?;
        }
        let earlier = match scope {
            Scope::Outdated => self.problems.borrow().clone(),
            _ => Vec::new(),
        };
        Ok(Prepared {
            registry: self,
            state,
            setup,
            watcher,
            scan,
            problems,
            earlier,
            components,
        })
    }
}

impl Prepared<'_> {
    /// Serves the components, and no others.
    pub(crate) fn commit(mut self) {
        let state = &mut *self.state;
        let served = std::mem::take(&mut state.served).into_iter();
        let served = served.map(|(key, loaded)| (self.components.key(&key), loaded));
        state.served = served.collect();
        let digests = std::mem::take(&mut state.granted_digests).into_iter();
        let digests = digests.map(|(old, digest)| (self.components.index(old), digest));
        state.granted_digests = digests.collect();
        self.registry.replace_setup(self.setup.clone(), state);
        self.problems
            .extend(self.registry.publish(state, self.scan));
        status::report_problems(&self.registry.problems, &self.problems, &self.earlier);
        if let Some(watcher) = self.watcher {
            tokio::spawn(watcher.run(self.registry.clone(), self.setup.ended.clone()));
        }
        follow::start(self.registry, &self.setup.ended);
    }
}

/// The indices of the `[[component]]` sections in the new configuration, by those in the old one.
struct Translation {
    indices: Vec<Option<usize>>,
    /// Number of sections in the new configuration.
    sections: usize,
}

impl Translation {
    /// A section is the same as before if it has the same reference and name.
    fn new(old: &Config, new: &Config) -> Self {
        let mut taken = BTreeSet::new();
        let indices = old.components.iter().map(|before| {
            let mut sections = new.components.iter().enumerate();
            let same = sections.find(|(index, section)| {
                let is_same = section.reference == before.reference && section.name == before.name;
                is_same && !taken.contains(index)
            });
            let index = same?.0;
            taken.insert(index);
            Some(index)
        });
        Self {
            indices: indices.collect(),
            sections: new.components.len(),
        }
    }

    /// Returns the new index of a section. One that is gone gets an index that no section has.
    fn index(&self, old: usize) -> usize {
        let new = self.indices.get(old).copied().flatten();
        new.unwrap_or(self.sections + old)
    }

    fn key(&self, key: &SourceKey) -> SourceKey {
        SourceKey {
            path: key.path.clone(),
            config_index: key.config_index.map(|old| self.index(old)),
        }
    }

    /// Returns the components under the settings of the new configuration, without those whose section is gone.
    fn configured(&self, loaded: &LoadedFiles, old: &Config, new: &Config) -> LoadedFiles {
        let loaded = loaded.iter().filter_map(|(key, loaded)| {
            let new_key = self.key(key);
            let (before, now) = (key.config_index, new_key.config_index);
            if now.is_some_and(|index| index >= self.sections) {
                return None;
            }
            let component = &loaded.registration.component;
            let (settings, settings_before) = (new.settings(now), old.settings(before));
            let digest = settings.and_then(|settings| settings.digest.as_ref());
            let allow = settings.map(|settings| &settings.allow);
            let missing_imports = |settings: Option<&ComponentConfig>| {
                settings.map_or(MissingImports::default(), |settings| {
                    settings.missing_imports
                })
            };
            let is_mounted = |settings: Option<&ComponentConfig>| {
                settings.is_some_and(|settings| settings.mount.is_some())
            };
            let with = |settings: Option<&ComponentConfig>| {
                settings.map_or_else(Vec::new, |settings| settings.with.clone())
            };
            let is_outdated = new.limits_of(now) != old.limits_of(before)
                || allow != settings_before.map(|settings| &settings.allow)
                || digest.is_some_and(|digest| digest != component.file_digest())
                || missing_imports(settings) != missing_imports(settings_before)
                || with(settings) != with(settings_before)
                || is_mounted(settings) != is_mounted(settings_before)
                || new.server.lenient_arguments != old.server.lenient_arguments
                || new.trust != old.trust
                || allow.is_some_and(|allow| !protected_paths::violations(new, allow).is_empty());
            Some((new_key, loaded.configured(settings, is_outdated)))
        });
        loaded.collect()
    }
}
