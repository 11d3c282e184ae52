//! References: the strings that name components, and the bytes behind them.
//!
//! A reference is a file, a directory (every `*.wasm` in it) or a glob pattern.
//! Relative ones start at the configuration file, or at the working directory
//! where they come from the command line. `#tool` at the end selects one tool.

mod fingerprint;
mod watch_paths;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use fingerprint::Fingerprint;
pub use watch_paths::WatchPaths;

/// The largest component that is read, in bytes.
const MAX_COMPONENT_BYTES: u64 = 256 << 20;
/// The most files that one reference may name.
const MAX_FILES: usize = 10_000;

/// A parsed reference. What it names is looked up by [`Reference::resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    text: String,
    place: Place,
    tool: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Path(PathBuf),
    Glob(String),
}

/// One component that a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its file name without the ending.
    pub stem: String,
    /// The tools that are selected, by the component's own names; `None` means all.
    pub tools: Option<Vec<String>>,
}

/// Why a reference names nothing. `Display` names the reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// A scheme that is not served.
    #[error(
        "`{0}` has the scheme `{1}:`, which is not supported; download the component and name the \
         file"
    )]
    Scheme(String, String),
    /// Not a pattern.
    #[error("`{0}` is not a glob pattern: {1}")]
    Pattern(String, String),
    /// Nothing lies there.
    #[error("`{0}`: there is no such file or directory; check the path")]
    Missing(String),
    /// Nothing in there is a component.
    #[error("`{0}` names no component; put files that end in `.wasm` there")]
    Empty(String),
    /// Too much is in there.
    #[error("`{0}` names more than {MAX_FILES} files; name a smaller directory")]
    TooMany(String),
    /// One tool of many components.
    #[error("`{0}` names {1} components, and `#` selects a tool of one; name its file")]
    ToolOfMany(String, usize),
    /// The file is too large.
    #[error("`{0}` is larger than {MAX_COMPONENT_BYTES} bytes")]
    TooLarge(String),
    /// It lies there, but cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(String, std::io::Error),
}

impl Reference {
    /// Parses a reference; relative paths start at `base`.
    ///
    /// # Errors
    /// When its form is not one of those above.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ReferenceError> {
        let path = match text.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(ReferenceError::Scheme(text.into(), scheme.into()));
            }
            None => text,
        };
        let (path, tool) = match path.rsplit_once('#') {
            Some((path, tool)) if !path.is_empty() && is_name(tool) => (path, Some(tool)),
            _ => (path, None),
        };
        let place = if path.contains(['*', '?', '[']) {
            let base = glob::Pattern::escape(&base.display().to_string());
            // `join` lets an absolute pattern stand by itself.
            let pattern = Path::new(&base).join(path).display().to_string();
            glob::Pattern::new(&pattern)
                .map_err(|e| ReferenceError::Pattern(text.into(), e.to_string()))?;
            Place::Glob(pattern)
        } else {
            Place::Path(base.join(path))
        };
        Ok(Self {
            text: text.to_owned(),
            place,
            tool: tool.map(str::to_owned),
        })
    }

    /// The tool that it selects, by the component's own name; `None` means all.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// Whether others can add components to what it names: a directory, a pattern,
    /// or what is not there yet. A pipe is none of these: it is read once.
    pub fn is_open(&self) -> bool {
        match &self.place {
            Place::Path(path) => path.is_dir() || !path.exists(),
            Place::Glob(_) => true,
        }
    }

    /// Whether it would name this path, if there were a component.
    pub fn covers(&self, path: &Path) -> bool {
        match &self.place {
            Place::Path(own) => {
                path == own || (path.parent() == Some(own) && has_component_name(path))
            }
            Place::Glob(pattern) => glob::Pattern::new(pattern).is_ok_and(|pattern| {
                // As `glob` walks: no `*` goes into another directory.
                let options = glob::MatchOptions {
                    require_literal_separator: true,
                    ..glob::MatchOptions::new()
                };
                pattern.matches_path_with(path, options)
            }),
        }
    }

    /// Whether somebody who may write below this directory, which is a path without links, could change or add what it
    /// names.
    pub fn can_be_changed_in(&self, dir: &Path) -> bool {
        let below = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(dir));
        let added_to = match &self.place {
            Place::Path(path) => vec![path.clone()],
            Place::Glob(pattern) => {
                let dirs = Path::new(pattern).parent().unwrap_or(Path::new("/"));
                let dirs = glob::glob(&dirs.display().to_string());
                let dirs = dirs.into_iter().flatten().filter_map(Result::ok);
                dirs.take(MAX_FILES).collect()
            }
        };
        let files = self.resolve().unwrap_or_default();
        let files = files.iter().map(|source| source.path.as_path());
        files
            .chain(added_to.iter().map(PathBuf::as_path))
            .any(below)
    }

    /// Whether it names one file, whatever will lie beside it.
    pub fn is_one(&self) -> bool {
        matches!(&self.place, Place::Path(path) if !path.is_dir())
    }

    /// The files it names now, in name order.
    ///
    /// # Errors
    /// When it names none.
    pub fn resolve(&self) -> Result<Vec<ComponentFile>, ReferenceError> {
        let mut paths = match &self.place {
            Place::Path(path) if path.is_dir() => {
                components_in(path).map_err(|e| self.cannot(e))?
            }
            Place::Path(path) if path.exists() => vec![path.clone()],
            Place::Path(_) => return Err(ReferenceError::Missing(self.text.clone())),
            Place::Glob(pattern) => glob::glob(pattern)
                .map_err(|e| ReferenceError::Pattern(self.text.clone(), e.to_string()))?
                .take(MAX_FILES + 1)
                .filter_map(Result::ok)
                .filter(|path| path.is_file())
                .collect(),
        };
        if paths.is_empty() {
            return Err(ReferenceError::Empty(self.text.clone()));
        }
        if paths.len() > MAX_FILES {
            return Err(ReferenceError::TooMany(self.text.clone()));
        }
        if self.tool.is_some() && paths.len() > 1 {
            return Err(ReferenceError::ToolOfMany(self.text.clone(), paths.len()));
        }
        paths.sort();
        let tools = self.tool.clone().map(|tool| vec![tool]);
        let sources = paths
            .into_iter()
            .map(|path| ComponentFile::new(path, tools.clone()));
        Ok(sources.collect())
    }

    fn cannot(&self, error: std::io::Error) -> ReferenceError {
        ReferenceError::Unreadable(self.text.clone(), error)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ComponentFile {
    fn new(path: PathBuf, tools: Option<Vec<String>>) -> Self {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self { path, stem, tools }
    }

    /// Selects what `other` selects of the same file too.
    pub fn join(&mut self, other: Self) {
        self.tools = match (self.tools.take(), other.tools) {
            (Some(own), Some(others)) => Some([own, others].concat()),
            _ => None,
        };
    }

    /// The component's bytes, and how its file was before they were read; `None`
    /// where it is as it was when it left the stamp `known`.
    ///
    /// # Errors
    /// When it cannot be read or is too large.
    pub fn read(
        &self,
        known: Option<Fingerprint>,
    ) -> Result<Option<(Vec<u8>, Fingerprint)>, ReferenceError> {
        let name = || self.path.display().to_string();
        let cannot = |e| ReferenceError::Unreadable(name(), e);
        // Opened in any case: network file systems look again only then.
        let file = std::fs::File::open(&self.path).map_err(cannot)?;
        let fingerprint = Fingerprint::of(&file.metadata().map_err(cannot)?);
        if known == Some(fingerprint) {
            return Ok(None);
        }
        if fingerprint.size_bytes > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        // A buffer that grows would leave several times the file's size behind.
        let mut bytes = Vec::with_capacity(fingerprint.size_bytes as usize);
        file.take(MAX_COMPONENT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        if bytes.len() as u64 > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        Ok(Some((bytes, fingerprint)))
    }
}

/// What cannot be a tool's name is part of the path, such as in `c#.wasm`.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether a directory that is named names this file too.
fn has_component_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "wasm")
}

fn components_in(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if has_component_name(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}
