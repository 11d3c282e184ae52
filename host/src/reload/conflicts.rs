//! Decides which of the loaded components the next catalog contains.
//!
//! If components conflict, those that are served already take precedence.

use std::collections::HashSet;
use std::sync::Arc;

use super::loader::{Loaded, LoadedFiles, ScanResult};
use super::problem::ComponentProblem;
use super::sources::SourceKey;
use crate::catalog::{CallLimits, Catalog, CatalogError};

/// The next catalog and the files it is made of.
pub(super) struct Resolution {
    pub(super) catalog: Catalog,
    pub(super) served: LoadedFiles,
    pub(super) errors: Vec<CatalogError>,
}

/// Rejects components with access to `wasi:keyvalue` that have the name of another one: the name is the key of their
/// data. Components that are `served` already take precedence.
pub(super) fn reject_shared_data(results: &mut [ScanResult], served: &LoadedFiles) {
    let mut names = HashSet::new();
    let mut results: Vec<_> = results.iter_mut().collect();
    results.sort_by_key(|result| !served.contains_key(&result.key));
    for result in results {
        let Some(loaded) = &result.to_serve else {
            continue;
        };
        let component = &loaded.registration.component;
        if !component.grants.kv.is_empty() && !names.insert(component.name.clone()) {
            let problem = ComponentProblem::SameName(component.name.clone());
            result.problems.push(problem);
            result.to_serve = None;
        }
    }
}

/// Builds the next catalog from the scanned files.
///
/// If all components fit together, all of them are in it. Otherwise a changed component that conflicts keeps its
/// version in `served`, and a new one that conflicts is left out.
pub(super) fn resolve(
    results: Vec<ScanResult>,
    served: &LoadedFiles,
    call_limits: &Arc<CallLimits>,
) -> Resolution {
    let candidates = results
        .into_iter()
        .filter_map(|result| Some((result.key, result.to_serve?)));
    let candidates: Vec<(SourceKey, Loaded)> = candidates.collect();
    let registrations = candidates.iter().map(|(_, loaded)| &loaded.registration);
    if let Ok(catalog) = Catalog::build(registrations, call_limits.clone()) {
        return Resolution {
            catalog,
            served: candidates.into_iter().collect(),
            errors: Vec::new(),
        };
    }
    let mut errors = Vec::new();
    let mut chosen = choose(candidates, served, call_limits, &mut errors);
    // Built again because the order of components in the catalog is the order of the configuration.
    let mut catalog = Catalog::new(call_limits.clone());
    chosen.retain(|(_, loaded)| {
        let added = catalog.add(&loaded.registration);
        added.map_err(|found| errors.extend(found)).is_ok()
    });
    Resolution {
        catalog,
        served: chosen.into_iter().collect(),
        errors,
    }
}

/// Chooses the components that do not conflict, and of each changed one the new or the served version.
fn choose(
    mut candidates: Vec<(SourceKey, Loaded)>,
    served: &LoadedFiles,
    call_limits: &Arc<CallLimits>,
    errors: &mut Vec<CatalogError>,
) -> Vec<(SourceKey, Loaded)> {
    let is_served = |(key, loaded): &(SourceKey, Loaded)| {
        let served = served.get(key);
        served.is_some_and(|served| served.registration.is_same(&loaded.registration))
    };
    loop {
        // The served versions do not conflict with each other. They are added first to take precedence.
        let mut catalog = Catalog::new(call_limits.clone());
        for (_, loaded) in candidates.iter().filter(|candidate| is_served(candidate)) {
            let _ = catalog.add(&loaded.registration);
        }
        let mut has_reverted = false;
        let mut next = Vec::new();
        let mut rejected = Vec::new();
        for candidate in candidates {
            if is_served(&candidate) {
                next.push(candidate);
                continue;
            }
            let (key, loaded) = candidate;
            match (catalog.add(&loaded.registration), served.get(&key)) {
                (Ok(()), _) => next.push((key, loaded)),
                (Err(found), Some(old)) => {
                    errors.extend(found);
                    next.push((key, old.clone()));
                    has_reverted = true;
                }
                (Err(found), None) => {
                    rejected.push((key.clone(), found));
                    next.push((key, loaded));
                }
            }
        }
        candidates = next;
        if !has_reverted {
            for (key, found) in rejected {
                candidates.retain(|(other, _)| *other != key);
                errors.extend(found);
            }
            return candidates;
        }
        // A reverted component claims its old names again and releases its new ones, which changes the conflicts of the
        // others. Each round reverts at least one component, so the loop ends.
    }
}
