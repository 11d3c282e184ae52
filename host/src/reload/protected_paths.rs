//! What is the host's own: whoever may write it decides what the host runs, and no component does.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::sandbox::keyvalue::StoreLocation;
use crate::sandbox::{GrantError, Grants};

/// The grants that give a component what is the host's own.
pub(super) fn given_away(config: &Config, grants: &Grants) -> Vec<GrantError> {
    let mut faults = Vec::new();
    for grant in grants.dirs.iter().filter(|grant| grant.write) {
        // One that is not there is a fault of its own.
        let Ok(dir) = grant.host.canonicalize() else {
            continue;
        };
        let holds = |path: &Path| real(path).starts_with(&dir);
        let is_cache = |cache: &Path| holds(cache) || dir.starts_with(real(cache));
        let what = if config.cache.as_deref().is_some_and(is_cache) {
            "the compiled components are"
        } else if config.file.as_deref().is_some_and(holds) {
            "the configuration is"
        } else if matches!(&config.kv.location, Some(StoreLocation::File(path)) if holds(path)) {
            "the data of `wasi:keyvalue` is"
        } else if config.references.iter().any(|r| r.can_be_changed_in(&dir)) {
            "components are"
        } else {
            continue;
        };
        faults.push(GrantError {
            key: "dirs",
            reason: format!(
                "gives `{}` for writing, where {what}; give the component a directory without \
                 what is the host's own",
                grant.host.display()
            ),
        });
    }
    faults
}

/// Without links, also where it, or the directory that it will be in, is not there yet.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| {
        let beyond = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(beyond))
    });
    there.unwrap_or_else(|| path.to_owned())
}
