//! The files of a component: its own, and those of the parts that it is composed with, read together.

use std::sync::Arc;
use std::time::Duration;

use super::problem::ComponentProblem;
use super::remotes::Remotes;
use crate::component::{self, ComponentBytes};
use crate::config::PartConfig;
use crate::reference::{ComponentFile, Fingerprint, ReferenceError};

/// The content of a component's files.
pub(super) struct Content {
    /// Its own file.
    pub(super) file: FileContent,
    /// The files of its parts.
    pub(super) parts: Vec<FileContent>,
    pub(super) fingerprints: Fingerprints,
}

/// The content of one file.
#[derive(Clone)]
pub(super) struct FileContent {
    pub(super) file: ComponentFile,
    pub(super) bytes: ComponentBytes,
}

/// The fingerprints of a component's files, in their order.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprints(Vec<FileFingerprint>);

#[derive(Clone, Copy, PartialEq, Eq)]
struct FileFingerprint {
    fingerprint: Fingerprint,
    /// Fetched files are complete.
    is_fetched: bool,
}

impl Fingerprints {
    /// Returns whether these are the fingerprints that the files have now.
    fn are_of<'f>(&self, files: impl Iterator<Item = &'f ComponentFile>) -> bool {
        let now = files.map(|file| Fingerprint::at(&file.path).ok());
        let known = self.0.iter().map(|file| Some(file.fingerprint));
        now.eq(known)
    }

    /// Returns whether each file changed at least this time ago.
    pub(super) fn are_older_than(&self, age: Duration) -> bool {
        let ages = self.0.iter().map(|file| file.fingerprint.age());
        ages.into_iter()
            .all(|file| file.is_some_and(|file| file >= age))
    }

    /// Returns whether a file that was not fetched changed within this time.
    pub(super) fn are_younger_than(&self, age: Duration) -> bool {
        let mut local = self.0.iter().filter(|file| !file.is_fetched);
        local.any(|file| file.fingerprint.age().is_some_and(|file| file < age))
    }
}

impl Content {
    /// Returns its own file, then those of its parts.
    pub(super) fn files(&self) -> impl Iterator<Item = &FileContent> {
        std::iter::once(&self.file).chain(&self.parts)
    }

    /// Returns the identity of the content: the digest of a single file, or that of the digests of several, one a line.
    pub(super) fn digest(&self) -> String {
        if self.parts.is_empty() {
            return self.file.bytes.digest().to_owned();
        }
        let lines = self
            .files()
            .map(|file| format!("{}\n", file.bytes.digest()));
        component::digest(lines.collect::<String>().as_bytes())
    }
}

/// Reads the file of a component and those of its parts; `None` if they still have the fingerprints `known`.
///
/// # Errors
/// A part cannot be resolved, or a file cannot be read.
pub(super) async fn read(
    file: &ComponentFile,
    parts: &[PartConfig],
    remotes: &Arc<Remotes>,
    known: Option<Fingerprints>,
) -> Result<Option<Content>, ComponentProblem> {
    let reading = {
        let (file, parts, remotes) = (file.clone(), parts.to_vec(), remotes.clone());
        tokio::task::spawn_blocking(move || {
            let parts = parts.iter().map(|part| resolve(part, &remotes));
            let parts = parts.collect::<Result<_, _>>()?;
            Ok(read_files(file, parts, known)?)
        })
    };
    let name = || file.name().display().to_string();
    reading
        .await
        .unwrap_or_else(|error| Err(ReferenceError::Unreadable(name(), error.into()).into()))
}

/// Returns the file of a part.
fn resolve(part: &PartConfig, remotes: &Remotes) -> Result<ComponentFile, ComponentProblem> {
    let files = remotes
        .files(&part.reference)
        .map_err(|problem| match problem {
            ComponentProblem::Unpinned { reference, digest } => {
                ComponentProblem::UnpinnedPart { reference, digest }
            }
            problem => problem,
        })?;
    let mut files = files.into_iter();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file),
        // A directory has taken the place of the file.
        _ => Err(ReferenceError::Missing(part.reference.to_string()).into()),
    }
}

fn read_files(
    file: ComponentFile,
    parts: Vec<ComponentFile>,
    known: Option<Fingerprints>,
) -> Result<Option<Content>, ReferenceError> {
    if parts.is_empty() {
        let known = known.and_then(|known| Some(known.0.first()?.fingerprint));
        let content = read_file(file, known)?;
        return Ok(content.map(|(file, fingerprint)| Content {
            file,
            parts: Vec::new(),
            fingerprints: Fingerprints(vec![fingerprint]),
        }));
    }
    if known.is_some_and(|known| known.are_of(std::iter::once(&file).chain(&parts))) {
        return Ok(None);
    }
    let Some((file, fingerprint)) = read_file(file, None)? else {
        return Ok(None);
    };
    let mut contents = Vec::new();
    let mut fingerprints = vec![fingerprint];
    for part in parts {
        // Never `None` without a known fingerprint.
        let Some((content, fingerprint)) = read_file(part, None)? else {
            return Ok(None);
        };
        contents.push(content);
        fingerprints.push(fingerprint);
    }
    Ok(Some(Content {
        file,
        parts: contents,
        fingerprints: Fingerprints(fingerprints),
    }))
}

/// Reads a file; `None` if it still has the fingerprint `known`.
fn read_file(
    file: ComponentFile,
    known: Option<Fingerprint>,
) -> Result<Option<(FileContent, FileFingerprint)>, ReferenceError> {
    let Some((bytes, fingerprint)) = file.read(known)? else {
        return Ok(None);
    };
    let bytes = ComponentBytes::new(bytes);
    let origin = file.origin.as_ref();
    if origin.is_some_and(|origin| origin.digest != bytes.digest()) {
        return Err(ReferenceError::Altered(file.name().display().to_string()));
    }
    let fingerprint = FileFingerprint {
        fingerprint,
        is_fetched: file.origin.is_some(),
    };
    Ok(Some((FileContent { file, bytes }, fingerprint)))
}
