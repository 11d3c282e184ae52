//! Reports the state of the components: log lines for what has changed, and the current problems for `/readyz`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::loader::{Loaded, LoadedFiles};
use super::problem::ComponentProblem;
use crate::component::SkippedExport;
use crate::telemetry::{ComponentChange, Observer};

/// Publishes the current problems and logs those that are new or resolved. `earlier` are lines reported before that
/// still apply.
pub(super) fn report_problems(
    current: &watch::Sender<Vec<String>>,
    problems: &[ComponentProblem],
    earlier: &[String],
) {
    let mut lines = earlier.to_vec();
    for problem in problems {
        let line = problem.line();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    current.send_if_modified(|reported| {
        for problem in lines.iter().filter(|line| !reported.contains(line)) {
            tracing::warn!(problem, "component not served");
        }
        for problem in reported.iter().filter(|line| !lines.contains(line)) {
            tracing::info!(problem, "component problem resolved");
        }
        let is_modified = *reported != lines;
        *reported = lines;
        is_modified
    });
}

/// Logs which components were loaded, replaced and removed.
pub(super) fn log_changes(before: &LoadedFiles, now: &LoadedFiles) {
    for (key, loaded) in now {
        let component = &loaded.registration.component;
        let old = before.get(key).map(|old| &old.registration.component);
        if old.is_none_or(|old| !Arc::ptr_eq(old, component)) {
            tracing::info!(
                component.name = %component.name,
                component.digest = %component.digest,
                "component loaded"
            );
        }
    }
    for (key, loaded) in before {
        if !now.contains_key(key) {
            let component = &loaded.registration.component;
            tracing::info!(component.name = %component.name, "component removed");
        }
    }
}

/// Logs the exports that are not served, of the components in `now` that are not in `before`.
pub(super) fn log_skipped(before: &LoadedFiles, now: &LoadedFiles) {
    let component = |loaded: &Loaded| loaded.registration.component.clone();
    let before: HashSet<_> = before
        .values()
        .map(|l| Arc::as_ptr(&component(l)))
        .collect();
    let added = now.values().map(component);
    for component in added.filter(|component| !before.contains(&Arc::as_ptr(component))) {
        for SkippedExport { export, reason } in &component.skipped {
            tracing::info!(
                component.name = %component.name, export.name = %export, export.reason = %reason,
                "export skipped"
            );
        }
    }
}

/// Records in the audit which components were loaded, replaced and removed.
pub(super) fn audit_changes(observer: &Observer, before: &LoadedFiles, now: &LoadedFiles) {
    let changed = |change, loaded: &Loaded| {
        let component = &loaded.registration.component;
        observer.component_changed(ComponentChange {
            change,
            component: component.name.clone(),
            digest: component.digest.clone(),
        });
    };
    for (path, loaded) in now {
        match before.get(path) {
            None => changed("loaded", loaded),
            Some(old) => {
                let component = |loaded: &Loaded| loaded.registration.component.clone();
                if !Arc::ptr_eq(&component(old), &component(loaded)) {
                    changed("replaced", loaded);
                }
            }
        }
    }
    for (path, loaded) in before {
        if !now.contains_key(path) {
            changed("removed", loaded);
        }
    }
}

/// Logs which components have changed while their grants stay the same, and records the new digests. A component with a
/// pinned digest cannot change.
pub(super) fn log_changed_grantees(digests: &mut BTreeMap<usize, String>, now: &LoadedFiles) {
    for (key, loaded) in now {
        let component = &loaded.registration.component;
        let Some(config_index) = key.config_index else {
            continue;
        };
        if component.grants.is_empty() {
            continue;
        }
        match digests.insert(config_index, component.digest.clone()) {
            Some(before) if before != component.digest => tracing::warn!(
                component.name = %component.name,
                component.digest = %component.digest,
                component.digest.before = %before,
                component.grants = component.grants.keys().join(", "),
                "the component has changed and keeps its grants; review it, and pin its `digest`"
            ),
            _ => {}
        }
    }
}
