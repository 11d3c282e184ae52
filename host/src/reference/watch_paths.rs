//! What to watch. A file is found by looking up one name after another, each in a
//! directory, and each of these lookups may find something else tomorrow: the file
//! itself, a directory above it, a symbolic link on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{MAX_FILES, Place, Reference, has_component_name};

/// Symbolic links that are followed on the way to one file, as many as Linux does.
const MAX_LINKS: usize = 40;

/// The names that matter, by the directories in which they are looked up. The
/// directories are there, and none of them is or lies behind a symbolic link.
#[derive(Default)]
pub struct WatchPaths(BTreeMap<PathBuf, Names>);

#[derive(Default)]
struct Names {
    exact: BTreeSet<OsString>,
    patterns: BTreeSet<glob::Pattern>,
}

impl WatchPaths {
    /// Adds the lookups of a reference as they go now, also of one that names
    /// nothing yet.
    pub fn add(&mut self, reference: &Reference) {
        match &reference.place {
            Place::Path(path) => {
                let Some(found) = self.follow(path) else {
                    return;
                };
                let Ok(entries) = std::fs::read_dir(&found) else {
                    return;
                };
                self.look_for("*.wasm", &found);
                // A link that leads nowhere may lead to a component tomorrow.
                for entry in entries.flatten().take(MAX_FILES) {
                    let path = entry.path();
                    if has_component_name(&path) {
                        self.follow(&path);
                    }
                }
            }
            Place::Glob(pattern) => self.add_pattern(Path::new(pattern)),
        }
    }

    fn add_pattern(&mut self, pattern: &Path) {
        let is_literal = |part: &OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
        let mut above: PathBuf = pattern.iter().take_while(|part| is_literal(part)).collect();
        let parts = pattern.iter().skip(above.iter().count());
        if above.as_os_str().is_empty() {
            above.push(".");
        }
        let mut dirs: Vec<_> = self.follow(&above).into_iter().collect();
        for part in parts {
            let name = part.to_string_lossy();
            dirs.iter().for_each(|dir| self.look_for(&name, dir));
            above.push(part);
            let found = matching(&above);
            let found = found.iter().filter_map(|path| self.follow(path));
            let found: Vec<_> = found.collect();
            if name == "**" {
                // What comes below may stand at any depth.
                dirs.extend(found);
                dirs.iter().for_each(|dir| self.look_for("*", dir));
            } else {
                dirs = found;
            }
        }
    }

    /// The directories, to be watched without what is below them.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether a change of this path can change what the references name.
    pub fn concern(&self, path: &Path) -> bool {
        let in_dir = || {
            let names = self.0.get(path.parent()?)?;
            let name = path.file_name()?;
            let text = name.to_string_lossy();
            let mut patterns = names.patterns.iter();
            Some(names.exact.contains(name) || patterns.any(|p| p.matches(&text)))
        };
        self.0.contains_key(path) || in_dir() == Some(true)
    }

    fn look_for(&mut self, pattern: &str, dir: &Path) {
        if let Ok(pattern) = glob::Pattern::new(pattern)
            && dir.is_dir()
        {
            let names = self.0.entry(dir.to_owned()).or_default();
            names.patterns.insert(pattern);
        }
    }

    /// Looks up a path name by name: where it leads, if that is there.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let mut ahead: Vec<OsString> = path.iter().rev().map(OsStr::to_owned).collect();
        let mut found = PathBuf::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                found.pop();
                continue;
            }
            if name == "." {
                continue;
            }
            let next = found.join(&name);
            if next.has_root() && next.parent().is_some() {
                let names = self.0.entry(found.clone()).or_default();
                names.exact.insert(name);
            }
            let kind = next.symlink_metadata().ok()?.file_type();
            if !kind.is_symlink() {
                found = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            let target = std::fs::read_link(&next).ok()?;
            // `join` lets an absolute target stand by itself, from the root on.
            ahead.extend(target.iter().rev().map(OsStr::to_owned));
        }
        Some(found)
    }
}

/// What matches a pattern now.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let found = glob::glob(&pattern.to_string_lossy());
    let found = found.into_iter().flatten().flatten();
    found.take(MAX_FILES).collect()
}
