//! `[cache]`: directory of compiled and fetched components.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::section::Section;

/// Default of `size`. A component takes about four times its own size: its bytes and its compiled code.
pub(super) const DEFAULT_MAX_BYTES: u64 = 2 << 30;

/// `[cache]`
pub(super) struct CacheConfig {
    /// The directory; `None` turns the cache off.
    pub(super) dir: Option<PathBuf>,
    /// Size of all files in it, in bytes.
    pub(super) max_bytes: u64,
    /// Whether nothing is fetched.
    pub(super) offline: bool,
}

/// Reads `[cache]`.
pub(super) fn read_cache(section: Section<'_, '_>) -> CacheConfig {
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
    let max_bytes = section.size_bytes("size").map(|bytes| bytes as u64);
    let offline = section.boolean("offline").unwrap_or(false);
    section.finish();
    CacheConfig {
        dir,
        max_bytes: max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
        offline,
    }
}

/// Returns a directory in the platform's cache directory, or `None` if the user has no home directory.
pub(super) fn default_cache_dir() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("toolcrib"))
}
