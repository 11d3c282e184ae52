//! Loads one file, or decides to keep what was loaded from it before.
//!
//! A scan of a file has one of these results: the loaded component is kept because the file has not changed; a new
//! version is loaded; or the last version is kept because the new one cannot be loaded or is still being written.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::composition;
use super::content::{self, Content, FileContent, Fingerprints};
use super::described::Described;
use super::problem::ComponentProblem;
use super::protected_paths;
use super::remotes::Remotes;
use super::signatures::{self, VerifyError};
use super::sources::{SourceFile, SourceKey};
use super::suggestion;
use crate::catalog::{ComponentCallLimits, Registration, ToolConfig};
use crate::component::{Component, LoadError, LoadSettings};
use crate::config::{ComponentConfig, Config};
use crate::engine::{CompileError, Engine};
use crate::reference::{CompanionState, ReferenceError};
use crate::sandbox::keyvalue::Store;
use crate::trust::TrustError;

/// Age from which a file counts as completely written.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(100);
/// Age from which a file that cannot be loaded is reported. A younger one may still be written by a slow writer.
const REPORT_AGE: Duration = Duration::from_secs(1);

/// Loads components.
pub(super) struct Loader {
    pub(super) config: Arc<Config>,
    pub(super) engine: Engine,
    pub(super) store: Store,
    pub(super) remotes: Arc<Remotes>,
}

/// Loaded components by their file and settings.
pub(super) type LoadedFiles = BTreeMap<SourceKey, Loaded>;

/// A component loaded from a file.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) registration: Registration,
    /// Fingerprints of its files; `None` if a later version could have the same ones.
    fingerprints: Option<Fingerprints>,
    /// Whether the configuration has changed so that it has to be loaded again.
    is_outdated: bool,
    /// The descriptions beside the file.
    described: Arc<Described>,
}

/// A file that could not be loaded.
#[derive(Clone)]
pub(super) struct FailedLoad {
    /// Fingerprints of its files at the failed load; `None` if the failure may be transient.
    fingerprints: Option<Fingerprints>,
    /// State of the files that describe the component.
    described: CompanionState,
    /// The problems, one line each.
    pub(super) lines: Vec<String>,
}

/// A file to scan, and the results of earlier scans.
pub(super) struct ScanInput<'a> {
    pub(super) source: SourceFile,
    pub(super) served: Option<&'a Loaded>,
    /// The version loaded last; it is not served if it conflicts with another component.
    pub(super) loaded: Option<&'a Loaded>,
    pub(super) failed: Option<&'a FailedLoad>,
    /// Whether a file that may still be written can be left to the next scan.
    pub(super) may_defer: bool,
}

/// The result of scanning a file.
pub(super) struct ScanResult {
    pub(super) key: SourceKey,
    /// The version to serve.
    pub(super) to_serve: Option<Loaded>,
    pub(super) problems: Vec<ComponentProblem>,
    pub(super) failed: Option<FailedLoad>,
    /// Whether the file may still be written.
    pub(super) is_unsettled: bool,
    /// State of the files that describe the component.
    described: CompanionState,
}

impl Loader {
    /// Decides what to serve of a file, loading it if it has changed.
    pub(super) async fn scan(self: &Arc<Self>, input: ScanInput<'_>) -> ScanResult {
        let source = &input.source;
        let selected = &source.file.tools;
        let is_current = |loaded: &&Loaded| !loaded.is_outdated;
        let served = input.served.filter(is_current);
        let mut result = ScanResult {
            key: source.key(),
            to_serve: served.map(|served| served.with_selected(selected)),
            problems: Vec::new(),
            failed: None,
            is_unsettled: false,
            described: CompanionState::default(),
        };
        if source.is_frozen && input.served.is_none_or(|served| !served.is_outdated) {
            result.failed = input.failed.cloned();
            return result;
        }
        // A signature or a pinned digest does not cover the files beside the component.
        let described = Described::state(&source.file, self.is_pinned(source)).await;
        result.described = described;
        let is_described = |loaded: &&Loaded| loaded.described.state == Some(described);
        let last = input.loaded.filter(is_current).filter(is_described);
        let failed = input.failed.filter(|failed| failed.described == described);
        let known = match failed {
            Some(failed) => failed.fingerprints.clone(),
            None => last.and_then(|last| last.fingerprints.clone()),
        };
        let origin = source.file.origin.as_ref();
        let is_last = |last: &&Loaded| {
            let digest = &last.registration.component.digest;
            origin.is_some_and(|origin| origin.digest == *digest)
        };
        // The store may have evicted the file of a loaded component.
        let parts = self.config.settings(source.config_index);
        let parts = parts.map_or(&[][..], |settings| &settings.with);
        if let Some(last) = last.filter(is_last).filter(|_| parts.is_empty()) {
            result.to_serve = Some(last.with_selected(selected));
            return result;
        }
        let content = match content::read(&source.file, parts, &self.remotes, known).await {
            Ok(Some(content)) => content,
            Ok(None) => {
                match failed {
                    Some(failed) => result.failed = Some(failed.clone()),
                    None => result.to_serve = last.map(|last| last.with_selected(selected)),
                }
                return result;
            }
            Err(problem) => {
                // A missing file existed when the reference was resolved, so it is probably being replaced.
                result.is_unsettled = origin.is_none()
                    && matches!(
                        &problem,
                        ComponentProblem::Reference(ReferenceError::Unreadable(_, cause))
                            if cause.kind() == std::io::ErrorKind::NotFound
                    );
                return result.with_failure(&input, vec![problem], None);
            }
        };
        let fingerprints = content.fingerprints.clone();
        // File systems take the time of a change from a clock with a resolution of some milliseconds, so another change
        // soon after may leave the same fingerprint.
        let are_reliable = fingerprints.are_older_than(SETTLE_TIME);
        let reliable_fingerprints = are_reliable.then(|| fingerprints.clone());
        let digest = content.digest();
        if let Some(last) = last.filter(|last| last.registration.component.digest == digest) {
            result.to_serve = Some(Loaded {
                fingerprints: reliable_fingerprints,
                ..last.with_selected(selected)
            });
            return result;
        }
        if input.may_defer && fingerprints.are_younger_than(SETTLE_TIME) {
            result.is_unsettled = true;
            return result;
        }
        let signers = match self.verify_all(source, &content).await {
            Ok(signers) => signers,
            Err(problem) => {
                result.is_unsettled = fingerprints.are_younger_than(REPORT_AGE);
                // A signature file may be added without a change of the component's file. A server is not asked at each
                // rescan.
                let fingerprints = origin.is_some().then_some(fingerprints);
                return result.with_failure(&input, vec![problem], fingerprints);
            }
        };
        let described = match Described::read(&source.file, described, SETTLE_TIME).await {
            Ok(described) => Arc::new(described),
            Err(problems) => {
                let fingerprints = reliable_fingerprints;
                return result.with_failure(&input, problems, fingerprints);
            }
        };
        let before = input.loaded.map(|loaded| loaded.registration.clone());
        // A task of its own, so that the components of a scan are loaded in parallel.
        let loading =
            self.clone()
                .load(source.clone(), content, signers, described.clone(), before);
        let loading = AbortOnDropHandle::new(tokio::spawn(loading.in_current_span()));
        let loaded = match loading.await {
            Ok(loaded) => loaded,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(vec![CompileError::Failed.into()]),
            },
        };
        match loaded {
            Ok(registration) => {
                result.to_serve = Some(Loaded {
                    registration,
                    fingerprints: reliable_fingerprints,
                    is_outdated: false,
                    described,
                });
                result
            }
            Err(errors) => {
                result.is_unsettled = fingerprints.are_younger_than(REPORT_AGE);
                // A grant may become valid without a change of the component's file.
                let has_grant_error = errors.iter().any(|e| matches!(e, LoadError::Grant(_)));
                let component = self.shown(source);
                let problems = errors.into_iter().map(|error| ComponentProblem::Component {
                    component: component.clone(),
                    error,
                });
                let fingerprints = reliable_fingerprints.filter(|_| !has_grant_error);
                result.with_failure(&input, problems.collect(), fingerprints)
            }
        }
    }

    /// Returns the name of a component in logs and for its data.
    fn name<'a>(&'a self, source: &'a SourceFile) -> &'a str {
        let config = self.config.settings(source.config_index);
        let name = config.and_then(|config| config.name.as_ref());
        name.unwrap_or(&source.file.stem)
    }

    /// Returns whether the operator trusts a component because of its bytes alone.
    fn is_pinned(&self, source: &SourceFile) -> bool {
        let config = self.config.settings(source.config_index);
        let trust = self.config.trust.for_component(None);
        config.is_some_and(|config| config.digest.is_some())
            || trust.is_some_and(|(_, is_required)| is_required)
    }

    /// Formats a component for a problem: its file or reference, and its name if the file is loaded several times.
    fn shown(&self, source: &SourceFile) -> String {
        let file = source.file.name();
        match source.is_shared {
            true => format!("`{}` as `{}`", file.display(), self.name(source)),
            false => format!("`{}`", file.display()),
        }
    }

    /// Verifies the signatures of a component and of its parts, each as [`Self::verify`].
    async fn verify_all(
        &self,
        source: &SourceFile,
        content: &Content,
    ) -> Result<Vec<Option<String>>, ComponentProblem> {
        let mut signers = Vec::new();
        for (index, file) in content.files().enumerate() {
            let shown = match index {
                0 => self.shown(source),
                _ => format!(
                    "{}: its part `{}`",
                    self.shown(source),
                    file.file.name().display()
                ),
            };
            signers.push(self.verify(shown, self.name(source), file).await?);
        }
        Ok(signers)
    }

    /// Verifies the signatures of a file, if they matter. Returns a description of the signer; `None` if it is not
    /// signed and need not be.
    ///
    /// # Errors
    /// A signature is required, and none is accepted or the server cannot be asked.
    async fn verify(
        &self,
        shown: String,
        component: &str,
        content: &FileContent,
    ) -> Result<Option<String>, ComponentProblem> {
        let file = &content.file;
        let origin = file.origin.as_ref();
        let remote = origin.map(|origin| origin.remote.to_string());
        let Some((signers, is_required)) = self.config.trust.for_component(remote.as_deref())
        else {
            return Ok(None);
        };
        let bytes = content.bytes.bytes().clone();
        let verified = match (origin, self.remotes.fetcher()) {
            (Some(origin), Some(fetcher)) => {
                signatures::verify_remote(fetcher, origin, bytes, signers).await
            }
            _ => signatures::verify_file(&file.path, bytes, signers).await,
        };
        match verified {
            Ok(signer) => Ok(Some(signer)),
            Err(VerifyError::Trust(error)) if is_required => Err(ComponentProblem::Untrusted {
                component: shown,
                error,
            }),
            Err(VerifyError::Fetch(error)) if is_required => Err(ComponentProblem::Remote {
                reference: file.name().display().to_string(),
                error: Arc::new(error),
            }),
            Err(VerifyError::Trust(TrustError::Unsigned { .. })) => Ok(None),
            Err(error) => {
                tracing::warn!(
                    component.name = component, component.file = %file.name().display(), %error,
                    "signature not accepted, the component is served without one"
                );
                Ok(None)
            }
        }
    }

    /// Loads a component. `before` is its last version, if there is one.
    async fn load(
        self: Arc<Self>,
        source: SourceFile,
        content: Content,
        signers: Vec<Option<String>>,
        described: Arc<Described>,
        before: Option<Registration>,
    ) -> Result<Registration, Vec<LoadError>> {
        let config = self.config.settings(source.config_index);
        let name = self.name(&source);
        let grants = config.map(|c| c.allow.clone()).unwrap_or_default();
        let violations = protected_paths::violations(&self.config, &grants);
        if !violations.is_empty() {
            return Err(violations.into_iter().map(LoadError::Grant).collect());
        }
        let limits = self.config.limits_of(source.config_index).clone();
        let signed_by = signers.first().cloned().flatten();
        let digest = content.digest();
        let file = content.file.clone();
        let composition::Composed {
            bytes,
            pinned,
            parts,
        } = composition::compose(content, signers, config, &limits).await?;
        let settings = LoadSettings {
            pinned,
            limits,
            grants,
            missing_imports: config.map(|c| c.missing_imports).unwrap_or_default(),
            wit: described.wit.clone(),
        };
        let (engine, store) = (&self.engine, &self.store);
        let loaded = Component::load(engine, name, bytes, settings, store).await;
        let mut component = match loaded {
            Ok(component) => component,
            Err(errors) => return Err(suggestion::suggest(file, errors).await),
        };
        let is_mounted = config.is_some_and(|config| config.mount.is_some());
        component.check_purpose(is_mounted).map_err(|e| vec![e])?;
        component.digest = digest;
        component.parts = parts;
        component.signed_by = signed_by;
        component.lenient_arguments = self.config.server.lenient_arguments;
        let shared = self.config.shared.as_ref();
        let replicas = shared.map_or(NonZeroU32::MIN, |shared| shared.replicas);
        let before = before.filter(|before| {
            let (limits, others) = (&component.limits, &before.component.limits);
            limits.concurrency == others.concurrency
                && limits.concurrency_per_caller == others.concurrency_per_caller
                && limits.calls_per_minute == others.calls_per_minute
        });
        let call_limits = match before {
            Some(before) => before.call_limits,
            None => Arc::new(ComponentCallLimits::new(&component, replicas)),
        };
        let mut registration = Registration::new(component.into(), call_limits);
        registration.selected.clone_from(&source.file.tools);
        apply_settings(&mut registration, config, &described.tools);
        Ok(registration)
    }
}

/// Sets what a `[[component]]` changes for clients.
fn apply_settings(
    registration: &mut Registration,
    config: Option<&ComponentConfig>,
    described: &BTreeMap<String, ToolConfig>,
) {
    registration.mount = config.and_then(|c| c.mount.clone());
    registration.prefix = config.map(|c| c.prefix.clone()).unwrap_or_default();
    registration.uri_prefix = config.map(|c| c.uri_prefix.clone()).unwrap_or_default();
    registration.scopes = config.map(|c| c.scopes.clone()).unwrap_or_default();
    registration.include = config.and_then(|c| c.include.clone());
    registration.exclude = config.map(|c| c.exclude.clone()).unwrap_or_default();
    registration.tools = config.map(|c| c.tools.clone()).unwrap_or_default();
    for (name, description) in described {
        let tool = registration.tools.entry(name.clone()).or_default();
        *tool = tool.or(description);
    }
}

impl Loaded {
    /// Returns a copy under the settings of another configuration. `is_outdated` tells whether it must be loaded again.
    pub(super) fn configured(&self, config: Option<&ComponentConfig>, is_outdated: bool) -> Self {
        let mut loaded = self.clone();
        apply_settings(&mut loaded.registration, config, &loaded.described.tools);
        loaded.is_outdated |= is_outdated;
        loaded
    }

    /// Returns a copy with another selection of tools.
    fn with_selected(&self, selected: &Option<Vec<String>>) -> Self {
        let mut loaded = self.clone();
        loaded.registration.selected.clone_from(selected);
        loaded
    }
}

impl ScanResult {
    /// Returns the result for a file that is not scanned.
    pub(super) fn unchanged((key, served): (&SourceKey, &Loaded)) -> Self {
        Self {
            key: key.clone(),
            to_serve: Some(served.clone()),
            problems: Vec::new(),
            failed: None,
            is_unsettled: false,
            described: CompanionState::default(),
        }
    }

    /// Adds the problems of a failed load. The failure is remembered unless the file will be scanned again soon.
    fn with_failure(
        mut self,
        input: &ScanInput<'_>,
        problems: Vec<ComponentProblem>,
        fingerprints: Option<Fingerprints>,
    ) -> Self {
        if !(input.may_defer && self.is_unsettled) {
            self.failed = Some(FailedLoad {
                fingerprints: fingerprints.filter(|_| !self.is_unsettled),
                described: self.described,
                lines: problems.iter().map(ComponentProblem::line).collect(),
            });
        }
        self.problems = problems;
        self
    }
}
