//! Which files are served, each once, and which `[[component]]` is for it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::ComponentProblem;
use crate::config::{ComponentConfig, Config};
use crate::reference::{ComponentFile, ReferenceError};

/// What the references name now.
pub(super) struct Found {
    /// The files to load, in the order in which they are named.
    pub(super) files: Vec<File>,
    /// What each reference names, in the order of the configuration.
    pub(super) by_reference: Vec<Vec<ComponentFile>>,
    pub(super) problems: Vec<ComponentProblem>,
}

/// One file.
#[derive(Clone)]
pub(super) struct File {
    pub(super) source: ComponentFile,
    /// The `[[component]]` that names it, by its place in the configuration.
    pub(super) settings: Option<usize>,
    /// Whether what is served of it stays as it is, whatever the file says.
    pub(super) stays: bool,
}

/// Looks up every reference. `last` is what they named before, and those that are
/// fixed are not looked up again.
pub(super) fn find(
    config: &Config,
    last: &[Vec<ComponentFile>],
    is_fixed: impl Fn(usize) -> bool,
) -> Found {
    let mut problems = Vec::new();
    if config.references.is_empty() {
        problems.push(ComponentProblem::NothingNamed);
    }
    // Before the settings: a file that comes in between is then found there too.
    let mut looked_up = Vec::new();
    for (index, reference) in config.references.iter().enumerate() {
        let last = last.get(index);
        let found = match last.filter(|_| is_fixed(index)) {
            Some(last) => (last.clone(), true),
            None => match reference.resolve() {
                Ok(found) => (found, false),
                Err(error) => {
                    let is_gone =
                        matches!(error, ReferenceError::Missing(_) | ReferenceError::Empty(_));
                    problems.push(error.into());
                    let last = last.filter(|_| !is_gone).cloned();
                    (last.unwrap_or_default(), true)
                }
            },
        };
        looked_up.push(found);
    }

    let settings = Settings::new(config, &mut problems);
    let mut places = HashMap::new();
    let mut files: Vec<File> = Vec::new();
    for (found, stays) in &looked_up {
        for source in found {
            let path = canonical(source);
            let of_file = settings.of(source, &path);
            match places.get(&path) {
                Some(place) => {
                    let first: &mut File = &mut files[*place];
                    first.source.join(source.clone());
                    first.stays = first.stays && *stays || of_file.is_none();
                }
                None => {
                    places.insert(path, files.len());
                    files.push(File {
                        source: source.clone(),
                        settings: of_file.unwrap_or_default(),
                        stays: *stays || of_file.is_none(),
                    });
                }
            }
        }
    }
    Found {
        files,
        by_reference: looked_up.into_iter().map(|(found, _)| found).collect(),
        problems,
    }
}

/// Which settings are for which file.
struct Settings<'a> {
    config: &'a Config,
    by_path: HashMap<PathBuf, usize>,
    /// Files for which it is not clear. They must not be loaded with the settings
    /// of nobody: those may lack a scope or a digest.
    unclear: HashSet<PathBuf>,
}

impl<'a> Settings<'a> {
    fn new(config: &'a Config, problems: &mut Vec<ComponentProblem>) -> Self {
        let mut by_path: HashMap<PathBuf, usize> = HashMap::new();
        let mut unclear = HashSet::new();
        for (index, component) in config.components.iter().enumerate() {
            // A reference that names nothing is reported where it is served.
            let found = component.reference.resolve().unwrap_or_default();
            if found.len() > 1 && component.is_for_one() {
                problems.push(ComponentProblem::NotOne(
                    component.reference.to_string(),
                    found.len(),
                ));
                unclear.extend(found.iter().map(canonical));
                continue;
            }
            if !component.allow.is_empty() && !component.reference.is_one() {
                problems.push(ComponentProblem::GrantsForMany(
                    component.reference.to_string(),
                ));
                unclear.extend(found.iter().map(canonical));
                continue;
            }
            for source in found {
                let selects = |settings: &ComponentConfig| settings.reference.tool().is_some();
                let path = canonical(&source);
                let Some(other) = by_path.get(&path).map(|other| &config.components[*other]) else {
                    by_path.insert(path, index);
                    continue;
                };
                let (first, second) = (&other.reference, &component.reference);
                if selects(other) || selects(component) || first.is_one() == second.is_one() {
                    problems.push(ComponentProblem::OneFile(
                        first.to_string(),
                        second.to_string(),
                    ));
                    unclear.insert(path);
                } else if second.is_one() {
                    // What is said of the file itself holds, and nothing else.
                    by_path.insert(path, index);
                }
            }
        }
        Self {
            config,
            by_path,
            unclear,
        }
    }

    /// `None` where it is not clear.
    fn of(&self, source: &ComponentFile, path: &Path) -> Option<Option<usize>> {
        if self.unclear.contains(path) {
            return None;
        }
        if let Some(index) = self.by_path.get(path) {
            return Some(Some(*index));
        }
        // One that was not there a moment ago, when the settings were looked up.
        let mut components = self.config.components.iter();
        let is_named = components.any(|component| {
            component.reference.covers(&source.path) || component.reference.covers(path)
        });
        (!is_named).then_some(None)
    }
}

/// One file has one canonical path, however it was named.
fn canonical(source: &ComponentFile) -> PathBuf {
    source
        .path
        .canonicalize()
        .unwrap_or_else(|_| source.path.clone())
}
