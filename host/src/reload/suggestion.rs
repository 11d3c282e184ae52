//! Looks for components beside one that lacks an import, and proposes to compose them.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::content::FileContent;
use crate::component::{InterfaceNames, LoadError, exports_import};
use crate::reference::{ComponentFile, Reference};

/// Maximum number of components of a directory that are read for a proposal.
const MAX_COMPONENTS: usize = 64;
/// Size of all of them. Each component that lacks an import has its own search.
const MAX_BYTES: usize = 64 << 20;

/// Adds a proposal to the error of a component that lacks an import, if exactly one component beside it exports that.
pub(super) async fn suggest(file: FileContent, errors: Vec<LoadError>) -> Vec<LoadError> {
    let lacks_import = |error: &LoadError| matches!(error, LoadError::MissingImports(_));
    if file.file.origin.is_some() || !errors.iter().any(lacks_import) {
        return errors;
    }
    let searching = tokio::task::spawn_blocking(move || find(&file.file.path, file.bytes.bytes()));
    let Some(parts) = searching.await.ok().flatten() else {
        return errors;
    };
    let errors = errors.into_iter().map(|error| match lacks_import(&error) {
        true => LoadError::Composable {
            error: Box::new(error),
            parts: parts.clone(),
        },
        false => error,
    });
    errors.collect()
}

/// Returns the components beside a file that export its imports; `None` if there are none, or several for one import.
fn find(path: &Path, bytes: &Bytes) -> Option<Vec<String>> {
    let imports = InterfaceNames::read(bytes).imports.into_iter();
    let imports: Vec<_> = imports.filter(|name| !name.starts_with("wasi:")).collect();
    let mut exporters: Vec<Vec<PathBuf>> = vec![Vec::new(); imports.len()];
    let dir = path.parent()?;
    // The parent of a path without a directory is empty.
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let beside = Reference::parse(dir.to_str()?, Path::new("")).ok()?;
    let others = beside.resolve().ok()?.into_iter();
    let is_other = |other: &ComponentFile| other.path.file_name() != path.file_name();
    let mut bytes_left = MAX_BYTES;
    for other in others.filter(is_other).take(MAX_COMPONENTS) {
        let Ok(Some((bytes, _))) = other.read(None) else {
            continue;
        };
        bytes_left = bytes_left.checked_sub(bytes.len())?;
        let exports = InterfaceNames::read(&bytes).exports;
        for (import, exporters) in imports.iter().zip(&mut exporters) {
            if exports.iter().any(|export| exports_import(export, import)) {
                exporters.push(other.path.clone());
            }
        }
    }
    if exporters.iter().any(|exporters| exporters.len() > 1) {
        return None;
    }
    let mut parts: Vec<String> = Vec::new();
    for exporter in exporters.into_iter().flatten() {
        let exporter = exporter.display().to_string();
        if !parts.contains(&exporter) {
            parts.push(exporter);
        }
    }
    (!parts.is_empty()).then_some(parts)
}
