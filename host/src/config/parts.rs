//! `with`: the components that a `[[component]]` is composed with.

use super::section::Section;
use crate::reference::{Reference, is_digest};

/// Maximum number of components in `with`. Each is an instance of its own in every call.
const MAX_PARTS: usize = 16;

/// A component whose exports satisfy imports of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartConfig {
    /// Its file or remote place.
    pub reference: Reference,
    /// `with-digests`: required digest of its bytes: `sha256:…`.
    pub digest: Option<String>,
}

/// Reads `with` and `with-digests`.
pub(super) fn read_parts(section: &Section<'_, '_>) -> Vec<PartConfig> {
    let texts = section.string_list("with").unwrap_or_default();
    let mut digests = section.string_map("with-digests").unwrap_or_default();
    if texts.len() > MAX_PARTS {
        section.error(
            "with",
            format!(
                "names {} components, and {MAX_PARTS} are the most",
                texts.len()
            ),
        );
    }
    let mut parts: Vec<PartConfig> = Vec::new();
    for text in texts {
        let reference = match Reference::parse(&text, section.base()) {
            Ok(reference) => reference,
            Err(error) => {
                section.error("with", format!("names {error}"));
                continue;
            }
        };
        if reference.tool().is_some() || !reference.is_single_file() {
            section.error(
                "with",
                format!("names `{text}`, which is not one component; name its file, https://… or oci://…"),
            );
            continue;
        }
        if parts.iter().any(|part| part.reference == reference) {
            section.error(
                "with",
                format!("names `{text}` twice; take one of them out"),
            );
            continue;
        }
        let digest = digests.remove(&text);
        if let Some(digest) = digest.as_ref().filter(|digest| !is_digest(digest)) {
            section.error(
                "with-digests",
                format!(
                    "has {digest:?} for `{text}`, and must have \"sha256:\" and 64 lower-case hexadecimal digits"
                ),
            );
        }
        parts.push(PartConfig { reference, digest });
    }
    for text in digests.keys() {
        section.error(
            "with-digests",
            format!("names `{text}`, and `with` does not; write it as `with` does, or take it out"),
        );
    }
    parts
}
