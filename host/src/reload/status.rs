//! What is said of components while they are served: which come and go, and what is
//! wrong with which.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::ComponentProblem;
use super::loader::Files;

/// Says what is wrong: in the log what is new, and to those who ask all of it.
/// What was said `before` stands on.
pub(super) fn problems(
    teller: &watch::Sender<Vec<String>>,
    problems: &[ComponentProblem],
    before: &[String],
) {
    let mut lines = before.to_vec();
    for problem in problems {
        let line = problem.line();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    teller.send_if_modified(|said| {
        for problem in lines.iter().filter(|line| !said.contains(line)) {
            tracing::warn!(problem, "not everything is served as it is named");
        }
        for problem in said.iter().filter(|line| !lines.contains(line)) {
            tracing::info!(problem, "problem gone");
        }
        let is_modified = *said != lines;
        *said = lines;
        is_modified
    });
}

/// Says in the log what has come, changed and gone.
pub(super) fn changes(before: &Files, now: &Files) {
    for (path, holding) in now {
        let component = &holding.listing.component;
        let old = before.get(path).map(|old| &old.listing.component);
        if old.is_none_or(|old| !Arc::ptr_eq(old, component)) {
            tracing::info!(
                component.name = %component.name,
                component.digest = %component.digest,
                "component loaded"
            );
        }
    }
    for (path, holding) in before {
        if !now.contains_key(path) {
            let component = &holding.listing.component;
            tracing::info!(component.name = %component.name, "component gone");
        }
    }
}

/// Says in the log which grants have come to something else than before. A pinned
/// component is none of those.
pub(super) fn granted(before: &mut BTreeMap<usize, String>, now: &Files) {
    for holding in now.values() {
        let component = &holding.listing.component;
        let Some(settings) = holding.settings else {
            continue;
        };
        if component.grants.is_empty() {
            continue;
        }
        let digest = component.digest.clone();
        match before.insert(settings, digest) {
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
