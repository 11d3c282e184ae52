//! Host paths that no writable grant may cover: write access to them would decide what the host runs, or whom it trusts.

use std::path::{Path, PathBuf};

use crate::config::{Config, Listen};
use crate::reference::WatchPaths;
use crate::sandbox::keyvalue::StoreLocation;
use crate::sandbox::{GrantError, Grants};
use crate::telemetry::AuditConfig;

/// Returns an error for each writable grant that covers a file of the host, or a directory or symbolic link through which
/// the host finds one.
pub(super) fn violations(config: &Config, grants: &Grants) -> Vec<GrantError> {
    let mut errors = Vec::new();
    for grant in grants.dirs.iter().filter(|grant| grant.write) {
        // A missing directory is reported when the grant is opened.
        let Ok(dir) = grant.host.canonicalize() else {
            continue;
        };
        let Some(what) = protected_in(config, &dir) else {
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

/// Returns the first kind of the host's files that write access to `dir` would allow to replace.
fn protected_in(config: &Config, dir: &Path) -> Option<&'static str> {
    let finds = |path: &Path| {
        let mut lookups = WatchPaths::default();
        lookups.add_file(path);
        lookups.is_writable_through(dir)
    };
    let is_in_cache = |cache: &PathBuf| dir.starts_with(canonicalize_existing(cache));
    let mut tls = config.server.tls.iter();
    let (log, audit) = (&config.telemetry.log.file, &config.telemetry.audit);
    let audit = audit.iter().filter_map(AuditConfig::file);
    let mut telemetry = log.iter().chain(audit);
    let mut lookups = WatchPaths::default();
    config.references.iter().for_each(|r| lookups.add(r));
    config.parts().for_each(|part| lookups.add(&part.reference));
    let kinds = [
        (
            "the compiled components are",
            config.cache.iter().any(|c| finds(c) || is_in_cache(c)),
        ),
        (
            "the configuration is",
            config.file.as_deref().is_some_and(finds),
        ),
        (
            "a file is that the configuration names (a key, a secret or a value)",
            config.value_files.iter().any(|file| finds(&file.path)),
        ),
        ("the log or the audit is", telemetry.any(|path| finds(path))),
        (
            "the certificate or the private key of [server.tls] is",
            tls.any(|tls| finds(&tls.cert) || finds(&tls.key)),
        ),
        (
            "the socket of `server.listen` is",
            matches!(&config.server.listen, Listen::Unix(path) if finds(path)),
        ),
        (
            "the compiler is",
            config.compiler.as_deref().is_some_and(finds),
        ),
        (
            "the data of `wasi:keyvalue` is",
            matches!(&config.kv.location, Some(StoreLocation::File(path)) if finds(path)),
        ),
        ("components are", lookups.is_writable_through(dir)),
    ];
    let found = kinds.into_iter().find(|(_, is_writable)| *is_writable);
    found.map(|(what, _)| what)
}

/// Resolves the symbolic links in the longest prefix of `path` that exists.
fn canonicalize_existing(path: &Path) -> PathBuf {
    let canonical = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    });
    canonical.unwrap_or_else(|| path.to_owned())
}
