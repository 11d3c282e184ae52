//! Parses a reference and resolves it to files.

use std::fmt;
use std::path::{Path, PathBuf};

use super::component_file::{ComponentFile, GLOB_OPTIONS, Origin, has_component_name};
use super::error::{MAX_FILES, ReferenceError};
use super::remote::Remote;

/// A parsed reference. [`Reference::resolve`] looks up the files it names, unless it is a [`Remote`] one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    text: String,
    pub(super) location: Location,
    tool: Option<String>,
}

/// Path, pattern or remote place of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// A file or a directory.
    Path(PathBuf),
    Glob(String),
    Remote(Remote),
}

impl Reference {
    /// Parses a reference; relative paths start at `base`.
    ///
    /// # Errors
    /// The scheme is not supported, a part of a remote reference is wrong, or the glob pattern is malformed.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ReferenceError> {
        let (place, tool) = split_tool(text);
        if let Some(remote) = Remote::parse(place) {
            return Ok(Self {
                text: text.to_owned(),
                location: Location::Remote(remote?),
                tool: tool.map(str::to_owned),
            });
        }
        let path = match text.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(ReferenceError::Scheme(text.into(), scheme.into()));
            }
            None => text,
        };
        let (path, tool) = split_tool(path);
        let location = if path.contains(['*', '?', '[']) {
            let base = glob::Pattern::escape(&base.display().to_string());
            // `join` drops the base if the pattern is absolute.
            let pattern = Path::new(&base).join(path).display().to_string();
            glob::Pattern::new(&pattern)
                .map_err(|e| ReferenceError::Pattern(text.into(), e.to_string()))?;
            Location::Glob(pattern)
        } else {
            Location::Path(base.join(path))
        };
        Ok(Self {
            text: text.to_owned(),
            location,
            tool: tool.map(str::to_owned),
        })
    }

    /// Returns the selected tool, as the component names it; `None` means all tools.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// Returns the place on the network, if the reference names one.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.location {
            Location::Remote(remote) => Some(remote),
            Location::Path(_) | Location::Glob(_) => None,
        }
    }

    /// Returns the component of a remote reference, which was fetched to `path` and has this digest: `sha256:…`. Returns
    /// `None` for a local reference.
    pub fn fetched(
        &self,
        path: PathBuf,
        digest: String,
        manifest: Option<String>,
    ) -> Option<ComponentFile> {
        let remote = self.remote()?.clone();
        let tools = self.tool.clone().map(|tool| vec![tool]);
        Some(ComponentFile {
            path,
            stem: remote.stem(),
            tools,
            origin: Some(Origin {
                remote,
                digest,
                manifest,
            }),
        })
    }

    /// Returns whether components can be added to the reference: it is a directory, a pattern, or a path that does not
    /// exist yet. A pipe is not open: it is read once.
    pub fn is_open(&self) -> bool {
        match &self.location {
            Location::Path(path) => path.is_dir() || !path.exists(),
            Location::Glob(_) => true,
            Location::Remote(_) => false,
        }
    }

    /// Returns whether the reference names a single file or remote component, regardless of the other files in its directory.
    pub fn is_single_file(&self) -> bool {
        match &self.location {
            Location::Path(path) => !path.is_dir(),
            Location::Glob(_) => false,
            Location::Remote(_) => true,
        }
    }

    /// Returns whether the reference would name a component at this path.
    pub fn covers(&self, path: &Path) -> bool {
        match &self.location {
            Location::Path(own) => {
                path == own || (path.parent() == Some(own) && has_component_name(path))
            }
            Location::Glob(pattern) => glob::Pattern::new(pattern)
                .is_ok_and(|pattern| pattern.matches_path_with(path, GLOB_OPTIONS)),
            Location::Remote(_) => false,
        }
    }

    /// Returns the files that the reference names now, in order of name. A remote reference names none before it is
    /// fetched.
    ///
    /// # Errors
    /// There are none or too many, or the directory cannot be read.
    pub fn resolve(&self) -> Result<Vec<ComponentFile>, ReferenceError> {
        let mut paths = match &self.location {
            Location::Path(path) if path.is_dir() => {
                components_in(path).map_err(|e| ReferenceError::Unreadable(self.text.clone(), e))?
            }
            Location::Path(path) if path.exists() => vec![path.clone()],
            Location::Path(_) => return Err(ReferenceError::Missing(self.text.clone())),
            Location::Glob(pattern) => glob::glob_with(pattern, GLOB_OPTIONS)
                .map_err(|e| ReferenceError::Pattern(self.text.clone(), e.to_string()))?
                .take(MAX_FILES + 1)
                .filter_map(Result::ok)
                .filter(|path| path.is_file())
                .collect(),
            Location::Remote(_) => Vec::new(),
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
        let files = paths
            .into_iter()
            .map(|path| ComponentFile::new(path, tools.clone()));
        Ok(files.collect())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Distinguishes `file#tool` from a path that contains `#`, such as `c#.wasm`.
fn is_tool_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Splits off the tool that the reference selects.
fn split_tool(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('#') {
        Some((path, tool)) if !path.is_empty() && is_tool_name(tool) => (path, Some(tool)),
        _ => (text, None),
    }
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
