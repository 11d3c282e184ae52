//! One component's file.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{MAX_COMPONENT_BYTES, ReferenceError};
use super::fingerprint::Fingerprint;

/// One file that a reference resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    /// Path as the reference names it, not canonical.
    pub path: PathBuf,
    /// File name without its extension.
    pub stem: String,
    /// Selected tools, as the component names them; `None` means all.
    pub tools: Option<Vec<String>>,
}

impl ComponentFile {
    pub(super) fn new(path: PathBuf, tools: Option<Vec<String>>) -> Self {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self { path, stem, tools }
    }

    /// Adds the tools that another reference selects of the same file.
    pub fn merge(&mut self, other: Self) {
        self.tools = match (self.tools.take(), other.tools) {
            (Some(own), Some(others)) => Some([own, others].concat()),
            _ => None,
        };
    }

    /// Reads the component's bytes, and its fingerprint from before they were read. Returns `None` if the file still
    /// has the fingerprint `known`.
    ///
    /// # Errors
    /// The file cannot be read or is too large.
    pub fn read(
        &self,
        known: Option<Fingerprint>,
    ) -> Result<Option<(Vec<u8>, Fingerprint)>, ReferenceError> {
        let name = || self.path.display().to_string();
        let unreadable = |e| ReferenceError::Unreadable(name(), e);
        // Opened even if the fingerprint is known: network file systems refresh a file's metadata when it is opened.
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        let fingerprint = Fingerprint::of(&file.metadata().map_err(unreadable)?);
        if known == Some(fingerprint) {
            return Ok(None);
        }
        if fingerprint.size_bytes > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        // Sized once: a growing buffer would leave several times the file's size in freed memory.
        let mut bytes = Vec::with_capacity(fingerprint.size_bytes as usize);
        // The file may have grown since its size was read.
        file.take(MAX_COMPONENT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_COMPONENT_BYTES {
            return Err(ReferenceError::TooLarge(name()));
        }
        Ok(Some((bytes, fingerprint)))
    }
}

/// Returns whether a directory reference includes a file with this name.
pub(super) fn has_component_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "wasm")
}
