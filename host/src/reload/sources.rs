//! Resolves the references to files, each listed once, and finds the `[[component]]` that applies to each.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::problem::ComponentProblem;
use super::remotes::Remotes;
use crate::config::{ComponentConfig, Config};
use crate::reference::{ComponentFile, ReferenceError};

/// The files that the references resolve to.
pub(super) struct Sources {
    /// The files to load, in the order in which the references name them.
    pub(super) files: Vec<SourceFile>,
    /// The files of each reference, in the order of the references.
    pub(super) by_reference: Vec<Vec<ComponentFile>>,
    pub(super) problems: Vec<ComponentProblem>,
}

/// One file to load.
#[derive(Clone)]
pub(super) struct SourceFile {
    pub(super) file: ComponentFile,
    /// Index of the `[[component]]` that applies to it.
    pub(super) config_index: Option<usize>,
    /// Whether to keep serving the loaded component without reading the file.
    pub(super) is_frozen: bool,
}

/// Resolves the references, remote ones to their fetched files. A reference for which `is_fixed` returns `true` keeps its `previous` files.
pub(super) fn resolve(
    config: &Config,
    remotes: &Remotes,
    previous: &[Vec<ComponentFile>],
    is_fixed: impl Fn(usize) -> bool,
) -> Sources {
    let mut problems = Vec::new();
    if config.references.is_empty() {
        problems.push(ComponentProblem::NothingNamed);
    }
    // Resolved before `ConfigLookup`, so that a file that appears meanwhile is known there too.
    let mut resolved = Vec::new();
    for (index, reference) in config.references.iter().enumerate() {
        let previous = previous.get(index);
        let (files, is_frozen) = match previous.filter(|_| is_fixed(index)) {
            Some(previous) => (previous.clone(), true),
            None => match remotes.files(reference) {
                Ok(files) => (files, false),
                Err(problem) => {
                    let is_gone = matches!(
                        problem,
                        ComponentProblem::Reference(
                            ReferenceError::Missing(_) | ReferenceError::Empty(_)
                        )
                    );
                    problems.push(problem);
                    let previous = previous.filter(|_| !is_gone).cloned();
                    (previous.unwrap_or_default(), true)
                }
            },
        };
        resolved.push((files, is_frozen));
    }

    let lookup = ConfigLookup::new(config, remotes, &mut problems);
    let mut positions = HashMap::new();
    let mut files: Vec<SourceFile> = Vec::new();
    for (found, is_frozen) in &resolved {
        for file in found {
            let path = canonical(file);
            let config_index = lookup.find(file, &path);
            let is_ambiguous = config_index.is_err();
            match positions.get(&path) {
                Some(position) => {
                    let first: &mut SourceFile = &mut files[*position];
                    first.file.merge(file.clone());
                    first.is_frozen = first.is_frozen && *is_frozen || is_ambiguous;
                }
                None => {
                    positions.insert(path, files.len());
                    files.push(SourceFile {
                        file: file.clone(),
                        config_index: config_index.unwrap_or_default(),
                        is_frozen: *is_frozen || is_ambiguous,
                    });
                }
            }
        }
    }
    Sources {
        files,
        by_reference: resolved.into_iter().map(|(files, _)| files).collect(),
        problems,
    }
}

/// It is not clear which `[[component]]` applies to a file.
struct Ambiguous;

/// Finds the `[[component]]` that applies to a file.
struct ConfigLookup<'a> {
    config: &'a Config,
    /// Index of the `[[component]]`, by canonical path.
    by_path: HashMap<PathBuf, usize>,
    /// Canonical paths of files with conflicting settings. They are not served without settings instead, which could
    /// lack a scope or a digest.
    ambiguous: HashSet<PathBuf>,
}

impl<'a> ConfigLookup<'a> {
    fn new(config: &'a Config, remotes: &Remotes, problems: &mut Vec<ComponentProblem>) -> Self {
        let mut lookup = Self {
            config,
            by_path: HashMap::new(),
            ambiguous: HashSet::new(),
        };
        for (index, component) in config.components.iter().enumerate() {
            let reference = &component.reference;
            // An error is reported where the references are resolved: this one is among them.
            let files = remotes.files(reference).unwrap_or_default();
            let problem = if files.len() > 1 && component.is_for_one_component() {
                ComponentProblem::SettingsForMany(reference.to_string(), files.len())
            } else if !component.allow.is_empty() && !reference.is_single_file() {
                ComponentProblem::GrantsForMany(reference.to_string())
            } else {
                for file in files {
                    problems.extend(lookup.insert(index, canonical(&file)));
                }
                continue;
            };
            problems.push(problem);
            lookup.ambiguous.extend(files.iter().map(canonical));
        }
        lookup
    }

    /// Records that a `[[component]]` names a file. One that names the file itself takes precedence over a directory or
    /// pattern.
    fn insert(&mut self, index: usize, path: PathBuf) -> Option<ComponentProblem> {
        let Some(other) = self.by_path.get(&path) else {
            self.by_path.insert(path, index);
            return None;
        };
        let has_tool = |component: &ComponentConfig| component.reference.tool().is_some();
        let (first, second) = (
            &self.config.components[*other],
            &self.config.components[index],
        );
        let is_second_single = second.reference.is_single_file();
        if has_tool(first)
            || has_tool(second)
            || first.reference.is_single_file() == is_second_single
        {
            self.ambiguous.insert(path);
            return Some(ComponentProblem::DuplicateSettings(
                first.reference.to_string(),
                second.reference.to_string(),
            ));
        }
        if is_second_single {
            self.by_path.insert(path, index);
        }
        None
    }

    /// Returns the index of the `[[component]]` that applies to a file; `path` is its canonical path.
    fn find(&self, file: &ComponentFile, path: &Path) -> Result<Option<usize>, Ambiguous> {
        if self.ambiguous.contains(path) {
            return Err(Ambiguous);
        }
        if let Some(index) = self.by_path.get(path) {
            return Ok(Some(*index));
        }
        // The file may have appeared after `new` resolved the references.
        let mut components = self.config.components.iter();
        match components.any(|c| c.reference.covers(&file.path) || c.reference.covers(path)) {
            true => Err(Ambiguous),
            false => Ok(None),
        }
    }
}

/// Returns the canonical path, which is the same however a reference names the file. A remote component has its
/// reference.
fn canonical(file: &ComponentFile) -> PathBuf {
    match file.origin {
        Some(_) => file.name(),
        None => file
            .path
            .canonicalize()
            .unwrap_or_else(|_| file.path.clone()),
    }
}
