//! Host paths that no writable grant may cover: write access to them would decide what the host runs.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::sandbox::keyvalue::StoreLocation;
use crate::sandbox::{GrantError, Grants};

/// Returns an error for each writable grant that covers the cache, the configuration, the key-value store or
/// components.
pub(super) fn violations(config: &Config, grants: &Grants) -> Vec<GrantError> {
    let mut errors = Vec::new();
    for grant in grants.dirs.iter().filter(|grant| grant.write) {
        // A missing directory is reported when the grant is opened.
        let Ok(dir) = grant.host.canonicalize() else {
            continue;
        };
        let contains = |path: &Path| canonicalize_existing(path).starts_with(&dir);
        let overlaps_cache =
            |cache: &Path| contains(cache) || dir.starts_with(canonicalize_existing(cache));
        let what = if config.cache.as_deref().is_some_and(overlaps_cache) {
            "the compiled components are"
        } else if config.file.as_deref().is_some_and(contains) {
            "the configuration is"
        } else if matches!(&config.kv.location, Some(StoreLocation::File(path)) if contains(path)) {
            "the data of `wasi:keyvalue` is"
        } else if config
            .references
            .iter()
            .any(|r| r.is_writable_through(&dir))
        {
            "components are"
        } else {
            continue;
        };
        errors.push(GrantError {
            key: "dirs",
            reason: format!(
                "gives `{}` for writing, where {what}; give the component a directory without \
                 what is the host's own",
                grant.host.display()
            ),
        });
    }
    errors
}

/// Resolves the symbolic links in the longest prefix of `path` that exists.
fn canonicalize_existing(path: &Path) -> PathBuf {
    let canonical = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    });
    canonical.unwrap_or_else(|| path.to_owned())
}
