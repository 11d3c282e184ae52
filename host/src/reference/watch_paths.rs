//! The directories and names to watch for changes of what references resolve to.
//!
//! The kernel resolves a path one name at a time, each in a directory. Any of these lookups may give another result
//! later: the file itself, a directory above it, or a symbolic link on the way may be replaced. All of them are
//! watched.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::companions::COMPANION_EXTENSIONS;
use super::component_file::{
    COMPONENT_NAMES, GLOB_OPTIONS, SIGNATURE_EXTENSIONS, has_component_name, has_signature_name,
};
use super::error::MAX_FILES;
use super::parsed::{Location, Reference};

/// Symbolic links followed while resolving one path, as in Linux.
const MAX_LINKS: usize = 40;

/// The names that references look up, by directory. The directories exist, and their paths contain no symbolic links.
#[derive(Default)]
pub struct WatchPaths(BTreeMap<PathBuf, Names>);

#[derive(Default)]
struct Names {
    exact: BTreeSet<OsString>,
    patterns: BTreeSet<glob::Pattern>,
}

impl WatchPaths {
    /// Adds the lookups that resolving the reference needs now, even if it resolves to nothing yet.
    pub fn add(&mut self, reference: &Reference) {
        match &reference.location {
            Location::Path(path) => {
                let resolved = self.add_path(path);
                for extension in SIGNATURE_EXTENSIONS {
                    let mut signature = path.clone().into_os_string();
                    signature.push(extension);
                    self.add_path(Path::new(&signature));
                }
                for extension in COMPANION_EXTENSIONS {
                    self.add_path(&path.with_extension(extension));
                }
                let Some(resolved) = resolved else {
                    return;
                };
                let Ok(entries) = std::fs::read_dir(&resolved) else {
                    return;
                };
                self.add_patterns(&resolved, COMPONENT_NAMES);
                // The target of a dangling link may appear later.
                for entry in entries.flatten().take(MAX_FILES) {
                    let path = entry.path();
                    if has_component_name(&path) || has_signature_name(&path) {
                        self.add_path(&path);
                    }
                }
            }
            Location::Glob(pattern) => self.add_glob(Path::new(pattern)),
            Location::Remote(_) => {}
        }
    }

    /// Adds the lookups that opening a file needs now, even if it does not exist yet.
    pub fn add_file(&mut self, path: &Path) {
        self.add_path(path);
    }

    /// Returns the directories to watch, without their subdirectories.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Returns whether a change of this path can change what the references resolve to.
    pub fn is_relevant(&self, path: &Path) -> bool {
        let is_looked_up = || {
            let names = self.0.get(path.parent()?)?;
            let name = path.file_name()?;
            let text = name.to_string_lossy();
            let mut patterns = names.patterns.iter();
            Some(names.exact.contains(name) || patterns.any(|p| p.matches(&text)))
        };
        self.0.contains_key(path) || is_looked_up() == Some(true)
    }

    /// Returns whether write access to the directory `dir`, which must be canonical, would allow changing the outcome of
    /// a lookup.
    pub fn is_writable_through(&self, dir: &Path) -> bool {
        self.dirs()
            .any(|looked_up_in| looked_up_in.starts_with(dir))
    }

    /// Adds the lookups of a glob pattern, one path component after the other.
    fn add_glob(&mut self, pattern: &Path) {
        let is_literal = |part: &OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
        let mut prefix: PathBuf = pattern.iter().take_while(|part| is_literal(part)).collect();
        let parts = pattern.iter().skip(prefix.iter().count());
        if prefix.as_os_str().is_empty() {
            prefix.push(".");
        }
        let mut dirs: Vec<_> = self.add_path(&prefix).into_iter().collect();
        for part in parts {
            let name = part.to_string_lossy();
            dirs.iter().for_each(|dir| self.add_patterns(dir, &name));
            prefix.push(part);
            let matches = glob_matches(&prefix);
            let matches = matches.iter().filter_map(|path| self.add_path(path));
            let matches: Vec<_> = matches.collect();
            if name == "**" {
                // The next part may match at any depth.
                dirs.extend(matches);
                dirs.iter().for_each(|dir| self.add_pattern(dir, "*"));
            } else {
                dirs = matches;
            }
        }
    }

    /// Adds a pattern for components and those for their signatures.
    fn add_patterns(&mut self, dir: &Path, pattern: &str) {
        self.add_pattern(dir, pattern);
        for extension in SIGNATURE_EXTENSIONS {
            self.add_pattern(dir, &format!("{pattern}{extension}"));
        }
        for extension in COMPANION_EXTENSIONS {
            self.add_pattern(
                dir,
                &Path::new(pattern)
                    .with_extension(extension)
                    .to_string_lossy(),
            );
        }
    }

    fn add_pattern(&mut self, dir: &Path, pattern: &str) {
        if let Ok(pattern) = glob::Pattern::new(pattern)
            && dir.is_dir()
        {
            let names = self.0.entry(dir.to_owned()).or_default();
            names.patterns.insert(pattern);
        }
    }

    /// Adds the lookups that resolving `path` needs. Returns the path without symbolic links, if it exists.
    fn add_path(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let mut remaining: Vec<OsString> = path.iter().rev().map(OsStr::to_owned).collect();
        let mut resolved = PathBuf::new();
        let mut links = 0;
        while let Some(name) = remaining.pop() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            if name == "." {
                continue;
            }
            let next = resolved.join(&name);
            if next.has_root() && next.parent().is_some() {
                let names = self.0.entry(resolved.clone()).or_default();
                names.exact.insert(name);
            }
            let file_type = next.symlink_metadata().ok()?.file_type();
            if !file_type.is_symlink() {
                resolved = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            let target = std::fs::read_link(&next).ok()?;
            // An absolute target begins with the root, which `join` resolves to.
            remaining.extend(target.iter().rev().map(OsStr::to_owned));
        }
        Some(resolved)
    }
}

/// Returns the paths that match a pattern now.
fn glob_matches(pattern: &Path) -> Vec<PathBuf> {
    let matches = glob::glob_with(&pattern.to_string_lossy(), GLOB_OPTIONS);
    let matches = matches.into_iter().flatten().flatten();
    matches.take(MAX_FILES).collect()
}
