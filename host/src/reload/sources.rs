//! Resolves the references to files, and finds the `[[component]]` sections that apply to each: the file is loaded once
//! for each of them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::problem::ComponentProblem;
use super::remotes::Remotes;
use crate::config::Config;
use crate::reference::{ComponentFile, Reference, ReferenceError};

/// The files that the references resolve to.
pub(super) struct Sources {
    /// The files to load, in the order in which the references name them.
    pub(super) files: Vec<SourceFile>,
    /// The files of each reference, in the order of the references.
    pub(super) by_reference: Vec<Vec<ComponentFile>>,
    pub(super) problems: Vec<ComponentProblem>,
}

/// Identity of a component that is served: a file, and the settings that apply to it. One file can be served several
/// times, each time with the settings of another `[[component]]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceKey {
    /// Path as the reference names it, not canonical; or a remote reference.
    pub(super) path: PathBuf,
    /// Index of the `[[component]]` that applies to it.
    pub(super) config_index: Option<usize>,
}

/// One file to load.
#[derive(Clone)]
pub(super) struct SourceFile {
    pub(super) file: ComponentFile,
    /// Index of the `[[component]]` that applies to it.
    pub(super) config_index: Option<usize>,
    /// Whether to keep serving the loaded component without reading the file.
    pub(super) is_frozen: bool,
    /// Whether the file is loaded several times, with different settings.
    pub(super) is_shared: bool,
}

impl SourceFile {
    pub(super) fn key(&self) -> SourceKey {
        SourceKey {
            path: self.file.name(),
            config_index: self.config_index,
        }
    }
}

/// A file that a reference names.
struct NamedFile<'a> {
    reference: &'a Reference,
    file: &'a ComponentFile,
    canonical: PathBuf,
    is_frozen: bool,
}

/// Resolves the references, remote ones to their fetched files. A reference for which `is_fixed` returns `true` keeps its `previous` files. `served` are the
/// components that are served now.
pub(super) fn resolve(
    config: &Config,
    remotes: &Remotes,
    previous: &[Vec<ComponentFile>],
    served: &[SourceKey],
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
    let references = config.references.iter().zip(&resolved);
    let named = references.flat_map(|(reference, (files, is_frozen))| {
        let lookup = &lookup;
        files.iter().map(move |file| {
            let canonical = canonical(file);
            NamedFile {
                reference,
                file,
                is_frozen: *is_frozen || lookup.find(reference, file, &canonical).is_err(),
                canonical,
            }
        })
    });
    let named = named.filter(|named| !lookup.is_only_part(named.reference, &named.canonical));
    let named: Vec<_> = named.collect();
    Sources {
        files: files_to_load(&named, &lookup, served),
        by_reference: resolved.iter().map(|(files, _)| files.clone()).collect(),
        problems,
    }
}

/// Lists each file once for each `[[component]]` that applies to it.
fn files_to_load(
    named: &[NamedFile<'_>],
    lookup: &ConfigLookup<'_>,
    served: &[SourceKey],
) -> Vec<SourceFile> {
    let mut served_indices: HashMap<&Path, Vec<_>> = HashMap::new();
    for key in served {
        let indices = served_indices.entry(&key.path).or_default();
        indices.push(key.config_index);
    }
    let to_read = named.iter().filter(|named| !named.is_frozen);
    let to_read: HashSet<_> = to_read.map(|named| &named.canonical).collect();
    let mut positions = HashMap::new();
    let mut times: HashMap<_, usize> = HashMap::new();
    let mut files: Vec<SourceFile> = Vec::new();
    for named in named {
        let path = &named.canonical;
        // A file that is not read is served with the settings that it has.
        let indices = served_indices.get(named.file.name().as_path());
        let indices = match indices.filter(|_| !to_read.contains(path)) {
            Some(indices) => indices.clone(),
            None => match lookup.find(named.reference, named.file, path) {
                Ok(indices) => indices,
                Err(Ambiguous) => vec![None],
            },
        };
        for config_index in indices {
            if let Some(position) = positions.get(&(path, config_index)) {
                let first: &mut SourceFile = &mut files[*position];
                first.file.merge(named.file.clone());
                first.is_frozen &= named.is_frozen;
                continue;
            }
            positions.insert((path, config_index), files.len());
            *times.entry(path).or_default() += 1;
            files.push(SourceFile {
                file: named.file.clone(),
                config_index,
                is_frozen: named.is_frozen,
                is_shared: false,
            });
        }
    }
    for ((path, _), position) in positions {
        files[position].is_shared = times[path] > 1;
    }
    files
}

/// It is not clear which `[[component]]` applies to a file.
struct Ambiguous;

/// A `[[component]]` that applies to a file.
struct Settings {
    index: usize,
    /// Name of the component in logs and for its data.
    name: String,
}

/// Finds the `[[component]]` sections that apply to a file.
struct ConfigLookup<'a> {
    config: &'a Config,
    /// By canonical path. Several if all of them name the file itself and differ in the name of the component.
    by_path: HashMap<PathBuf, Vec<Settings>>,
    /// Canonical paths of files with conflicting settings. They are not served without settings instead, which could
    /// lack a scope or a digest.
    ambiguous: HashSet<PathBuf>,
    /// Canonical paths of the files in `with`.
    parts: HashSet<PathBuf>,
}

impl<'a> ConfigLookup<'a> {
    fn new(config: &'a Config, remotes: &Remotes, problems: &mut Vec<ComponentProblem>) -> Self {
        let mut lookup = Self {
            config,
            by_path: HashMap::new(),
            ambiguous: HashSet::new(),
            parts: HashSet::new(),
        };
        let parts = config
            .parts()
            .filter(|part| part.reference.remote().is_none());
        for part in parts {
            let files = remotes.files(&part.reference).unwrap_or_default();
            lookup.parts.extend(files.iter().map(canonical));
        }
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
                    problems.extend(lookup.insert(index, &file));
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
    fn insert(&mut self, index: usize, file: &ComponentFile) -> Option<ComponentProblem> {
        let components = &self.config.components;
        let is_single = |index: usize| components[index].reference.is_single_file();
        let has_tool = |index: usize| components[index].reference.tool().is_some();
        let path = canonical(file);
        let name = components[index].name.as_ref().unwrap_or(&file.stem);
        let settings = Settings {
            index,
            name: name.clone(),
        };
        let others = self.by_path.entry(path.clone()).or_default();
        for other in others.iter() {
            let are_both_single = is_single(other.index) && is_single(index);
            if are_both_single && other.name != settings.name {
                continue;
            }
            if has_tool(other.index)
                || has_tool(index)
                || is_single(other.index) == is_single(index)
            {
                self.ambiguous.insert(path);
                return Some(ComponentProblem::DuplicateSettings(
                    components[other.index].reference.to_string(),
                    components[index].reference.to_string(),
                ));
            }
        }
        let other_is_single = others.first().map(|other| is_single(other.index));
        if other_is_single.is_none_or(|other| other == is_single(index)) {
            others.push(settings);
        } else if is_single(index) {
            *others = vec![settings];
        }
        None
    }

    /// Returns whether a file is served only as a part of others: a directory or pattern names it, and no `[[component]]`.
    fn is_only_part(&self, reference: &Reference, path: &Path) -> bool {
        self.parts.contains(path) && !self.by_path.contains_key(path) && !reference.is_single_file()
    }

    /// Returns the indices of the `[[component]]` sections that apply to a file of a reference; `None` stands for no
    /// section. `path` is the canonical path of the file.
    fn find(
        &self,
        reference: &Reference,
        file: &ComponentFile,
        path: &Path,
    ) -> Result<Vec<Option<usize>>, Ambiguous> {
        if self.ambiguous.contains(path) {
            return Err(Ambiguous);
        }
        let components = &self.config.components;
        if let Some(settings) = self.by_path.get(path) {
            let indices = settings.iter().map(|settings| settings.index);
            // The reference of a section is for this section, any other one for all sections.
            let own = indices.clone();
            let own = own.filter(|index| components[*index].reference == *reference);
            let own: Vec<_> = own.map(Some).collect();
            return Ok(match own.is_empty() {
                true => indices.map(Some).collect(),
                false => own,
            });
        }
        // The file may have appeared after `new` resolved the references.
        let mut components = components.iter();
        match components.any(|c| c.reference.covers(&file.path) || c.reference.covers(path)) {
            true => Err(Ambiguous),
            false => Ok(vec![None]),
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
