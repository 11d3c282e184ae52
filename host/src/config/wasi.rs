//! `[wasi]`: versions of WASI beside 0.2.

use super::section::Section;

/// Reads `[wasi]`: whether components may need WASI 0.3.
pub(super) fn read_preview3(section: Section<'_, '_>) -> bool {
    let preview3 = section.boolean("preview3").unwrap_or(false);
    section.finish();
    preview3
}
