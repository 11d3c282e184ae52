//! Composes a component with the parts of its `with`, after the digests of all of them were compared.

use super::content::{Content, FileContent};
use crate::component::{self, ComponentBytes, LoadError, Part, PartFile};
use crate::config::ComponentConfig;
use crate::sandbox::Limits;

/// The bytes to compile.
pub(super) struct Composed {
    pub(super) bytes: ComponentBytes,
    /// The digest that these bytes must have.
    pub(super) pinned: Option<String>,
    /// Empty if the component is not composed.
    pub(super) parts: Vec<Part>,
}

/// Returns the bytes of a component, composed with its parts if it has any. `signers` are those of the files.
///
/// # Errors
/// A file has another digest than the pinned one, or the components do not fit together.
pub(super) async fn compose(
    content: Content,
    signers: Vec<Option<String>>,
    settings: Option<&ComponentConfig>,
    limits: &Limits,
) -> Result<Composed, Vec<LoadError>> {
    if content.parts.is_empty() {
        return Ok(Composed {
            bytes: content.file.bytes,
            pinned: settings.and_then(|settings| settings.digest.clone()),
            parts: Vec::new(),
        });
    }
    check_digests(&content, settings)?;
    let files = content.files().map(|file| PartFile {
        name: name(file),
        bytes: file.bytes.bytes().clone(),
    });
    let composing = component::compose(files.collect(), limits.compile);
    let composed = composing.await.map_err(|error| vec![error.into()])?;
    let files = content.files().zip(signers).zip(composed.imports);
    let parts = files.map(|((file, signed_by), imports)| Part {
        name: name(file),
        digest: file.bytes.digest().to_owned(),
        signed_by,
        imports,
    });
    Ok(Composed {
        bytes: ComponentBytes::new(composed.bytes),
        pinned: None,
        parts: parts.collect(),
    })
}

fn name(file: &FileContent) -> String {
    file.file.name().display().to_string()
}

/// Compares the digests of the files with the pinned ones.
fn check_digests(
    content: &Content,
    settings: Option<&ComponentConfig>,
) -> Result<(), Vec<LoadError>> {
    let Some(settings) = settings else {
        return Ok(());
    };
    let pinned = std::iter::once(&settings.digest);
    let pinned = pinned.chain(settings.with.iter().map(|part| &part.digest));
    let mut errors = Vec::new();
    for (index, (file, pinned)) in content.files().zip(pinned).enumerate() {
        let Some(pinned) = pinned
            .clone()
            .filter(|pinned| pinned != file.bytes.digest())
        else {
            continue;
        };
        let found = file.bytes.digest().to_owned();
        errors.push(match index {
            0 => LoadError::DigestMismatch { found, pinned },
            _ => LoadError::PartDigestMismatch {
                part: name(file),
                found,
                pinned,
            },
        });
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors),
    }
}
