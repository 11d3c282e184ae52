//! From one file to what is to be served of it: as it was, anew, or as it was while
//! it is broken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::sources::File;
use super::{ComponentProblem, protected_paths};
use crate::catalog::{ComponentCallLimits, Registration};
use crate::component::{self, Component, LoadError};
use crate::config::Config;
use crate::engine::Engine;
use crate::reference::{ComponentFile, Fingerprint, ReferenceError};
use crate::sandbox::keyvalue::Store;

/// A file that did not change for this long is not being written.
pub(super) const SETTLED: Duration = Duration::from_millis(100);
/// A file that is broken is not blamed before it is this old: who writes it may
/// have been held up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Loads components.
pub(super) struct Loader {
    pub(super) config: Arc<Config>,
    pub(super) engine: Engine,
    pub(super) store: Store,
}

/// What there is of each file.
pub(super) type Files = BTreeMap<PathBuf, Loaded>;

/// What there is of one file.
#[derive(Clone)]
pub(super) struct Loaded {
    /// Its `[[component]]`, by its place in the configuration.
    pub(super) settings: Option<usize>,
    pub(super) listing: Registration,
    /// How the file was; `None` where it may have changed since and be the same in
    /// this.
    fingerprint: Option<Fingerprint>,
}

/// What is known of a file that is broken.
#[derive(Clone)]
pub(super) struct FailedLoad {
    settings: Option<usize>,
    /// With which the file stays as broken as it is; `None` where it may mend by
    /// itself.
    fingerprint: Option<Fingerprint>,
    /// What is wrong.
    pub(super) lines: Vec<String>,
}

/// A file to look at, and what there is of it.
pub(super) struct ScanInput<'a> {
    pub(super) file: File,
    pub(super) served: Option<&'a Loaded>,
    /// What was loaded last, served or not.
    pub(super) loaded: Option<&'a Loaded>,
    pub(super) broken: Option<&'a FailedLoad>,
    /// Whether there is a next look soon, so that what may not be whole can wait.
    pub(super) is_patient: bool,
}

/// One file, looked at.
pub(super) struct ScanResult {
    pub(super) path: PathBuf,
    /// What is to be served of it.
    pub(super) holding: Option<Loaded>,
    pub(super) problems: Vec<ComponentProblem>,
    pub(super) broken: Option<FailedLoad>,
    /// Whether somebody was still writing it.
    pub(super) is_unsettled: bool,
}

/// What a file says now.
struct Content {
    bytes: Vec<u8>,
    digest: String,
    fingerprint: Fingerprint,
}

impl Loader {
    /// What is to be served of a file now.
    pub(super) async fn look_at(&self, before: ScanInput<'_>) -> ScanResult {
        let file = &before.file;
        let selecting = |holding: &Loaded| {
            let mut holding = holding.clone();
            holding.listing.selected.clone_from(&file.source.tools);
            holding
        };
        let mut looked = ScanResult {
            path: file.source.path.clone(),
            holding: before.served.map(selecting),
            problems: Vec::new(),
            broken: None,
            is_unsettled: false,
        };
        if file.stays {
            looked.broken = before.broken.cloned();
            return looked;
        }
        // Settings do not change, so those of the same place are the same.
        let last = before.loaded.filter(|last| last.settings == file.settings);
        let broken = before.broken.filter(|last| last.settings == file.settings);
        let known = match broken {
            Some(broken) => broken.fingerprint,
            None => last.and_then(|last| last.fingerprint),
        };
        let content = match read(&file.source, known).await {
            Ok(Some(content)) => content,
            Ok(None) => {
                match broken {
                    Some(broken) => looked.broken = Some(broken.clone()),
                    None => looked.holding = last.map(selecting),
                }
                return looked;
            }
            Err(error) => {
                // It was there a moment ago.
                looked.is_unsettled = matches!(&error, ReferenceError::Unreadable(_, cause)
                    if cause.kind() == std::io::ErrorKind::NotFound);
                return looked.blaming(&before, vec![error.into()], None);
            }
        };
        let (fingerprint, age) = (content.fingerprint, content.fingerprint.age());
        let is_younger_than = |limit| age.is_some_and(|age| age < limit);
        // Clocks of file systems tick some hundred times a second, so what changes
        // at once may leave the same stamp.
        let certain = age.is_some_and(|age| age >= SETTLED).then_some(fingerprint);
        if let Some(last) = last.filter(|last| last.listing.component.digest == content.digest) {
            looked.holding = Some(Loaded {
                fingerprint: certain,
                ..selecting(last)
            });
            return looked;
        }
        if before.is_patient && is_younger_than(SETTLED) {
            looked.is_unsettled = true;
            return looked;
        }
        match self.load(file, content, last).await {
            Ok(listing) => {
                looked.holding = Some(Loaded {
                    settings: file.settings,
                    listing,
                    fingerprint: certain,
                });
            }
            Err(errors) => {
                looked.is_unsettled = is_younger_than(PATIENCE);
                // Whether a grant can be kept is not the file's matter.
                let is_its_own = !errors.iter().any(|e| matches!(e, LoadError::Grant(_)));
                let path = looked.path.clone();
                let problems = errors.into_iter().map(|error| ComponentProblem::Component {
                    path: path.clone(),
                    error,
                });
                let fingerprint = certain.filter(|_| is_its_own);
                return looked.blaming(&before, problems.collect(), fingerprint);
            }
        }
        looked
    }

    /// Loads a component, which has the places of the `last` one.
    async fn load(
        &self,
        file: &File,
        content: Content,
        last: Option<&Loaded>,
    ) -> Result<Registration, Vec<LoadError>> {
        let settings = file.settings.map(|index| &self.config.components[index]);
        let name = settings
            .and_then(|s| s.name.as_deref())
            .unwrap_or(&file.source.stem);
        let limits = settings.map_or(&self.config.limits, |s| &s.limits).clone();
        let pinned = settings.and_then(|s| s.digest.as_deref());
        let grants = settings.map(|s| s.allow.clone()).unwrap_or_default();
        let given_away = protected_paths::given_away(&self.config, &grants);
        if !given_away.is_empty() {
            return Err(given_away.into_iter().map(LoadError::Grant).collect());
        }
        let grants = (grants, &self.store);
        let bytes = content.bytes;
        let component = Component::load(&self.engine, name, bytes, pinned, limits, grants).await?;
        let places = match last {
            Some(last) => last.listing.places.clone(),
            None => Arc::new(ComponentCallLimits::new(&component)),
        };
        Ok(Registration {
            component: Arc::new(component),
            places,
            prefix: settings.map(|s| s.prefix.clone()).unwrap_or_default(),
            scopes: settings.map(|s| s.scopes.clone()).unwrap_or_default(),
            selected: file.source.tools.clone(),
            only: settings.and_then(|s| s.only.clone()),
            exclude: settings.map(|s| s.exclude.clone()).unwrap_or_default(),
            tools: settings.map(|s| s.tools.clone()).unwrap_or_default(),
        })
    }
}

impl ScanResult {
    /// With what is wrong with the file. Of one that may not be whole it is not kept
    /// where it can wait.
    fn blaming(
        mut self,
        before: &ScanInput<'_>,
        problems: Vec<ComponentProblem>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        if !(before.is_patient && self.is_unsettled) {
            self.broken = Some(FailedLoad {
                settings: before.file.settings,
                fingerprint: fingerprint.filter(|_| !self.is_unsettled),
                lines: problems.iter().map(ComponentProblem::line).collect(),
            });
        }
        self.problems = problems;
        self
    }

    /// What is served of it is all that is known.
    pub(super) fn unseen((path, holding): (&PathBuf, &Loaded)) -> Self {
        Self {
            path: path.clone(),
            holding: Some(holding.clone()),
            problems: Vec::new(),
            broken: None,
            is_unsettled: false,
        }
    }
}

/// `None` where the file still has the stamp that is `known`.
async fn read(
    source: &ComponentFile,
    known: Option<Fingerprint>,
) -> Result<Option<Content>, ReferenceError> {
    let reading = {
        let source = source.clone();
        tokio::task::spawn_blocking(move || {
            let read = source.read(known)?;
            Ok(read.map(|(bytes, fingerprint)| Content {
                digest: component::digest(&bytes),
                bytes,
                fingerprint,
            }))
        })
    };
    let name = || source.path.display().to_string();
    reading
        .await
        .unwrap_or_else(|error| Err(ReferenceError::Unreadable(name(), error.into())))
}
