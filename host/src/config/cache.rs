//! `[cache]`: directory of compiled components.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::section::Section;

/// Reads `[cache]`; `None` turns the cache off.
pub(super) fn read_cache_dir(section: Section<'_, '_>) -> Option<PathBuf> {
    let is_off = section
        .value("dir")
        .is_some_and(|dir| dir.get_ref().as_bool() == Some(false));
    let dir = if is_off {
        None
    } else {
        let base = section.base().to_owned();
        let wanted = "a directory, or false to turn the cache off";
        section
            .parsed("dir", wanted, |text| Some(base.join(text)))
            .or_else(default_cache_dir)
    };
    section.finish();
    dir
}

/// Returns the default: a directory in the platform's cache directory, or `None` if the user has no home directory.
pub(super) fn default_cache_dir() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("toolcrib"))
}
