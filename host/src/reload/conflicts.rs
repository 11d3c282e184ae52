//! What of the components that were found can stand beside each other.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::ComponentProblem;
use super::loader::{Files, Loaded, ScanResult};
use crate::catalog::{CallLimits, Catalog, CatalogError};

/// Of components that would share what they keep, those stay that were served
/// before.
pub(super) fn keep_apart(files: &mut [ScanResult], held: &Files) {
    let mut names = HashSet::new();
    let mut files: Vec<_> = files.iter_mut().collect();
    files.sort_by_key(|file| !held.contains_key(&file.path));
    for file in files {
        let Some(component) = file.holding.as_ref().map(|h| &h.listing.component) else {
            continue;
        };
        if !component.grants.kv.is_empty() && !names.insert(component.name.clone()) {
            let problem = ComponentProblem::SameName(component.name.clone());
            file.problems.push(problem);
            file.holding = None;
        }
    }
}

/// The catalog of what was found. Where parts of it clash, those stay that were
/// served before, and the old version of each that cannot come in.
pub(super) fn arrange(
    found: Vec<ScanResult>,
    held: &Files,
    calls: &Arc<CallLimits>,
) -> (Catalog, Files, Vec<CatalogError>) {
    let found = found
        .into_iter()
        .filter_map(|file| Some((file.path, file.holding?)));
    let mut chosen: Vec<(PathBuf, Loaded)> = found.collect();
    let listings = chosen.iter().map(|(_, holding)| &holding.listing);
    if let Ok(catalog) = Catalog::build(listings, calls.clone()) {
        return (catalog, chosen.into_iter().collect(), Vec::new());
    }

    let is_old = |(path, holding): &(PathBuf, Loaded)| {
        let before = held.get(path);
        before.is_some_and(|before| before.listing.is_same(&holding.listing))
    };
    let mut errors = Vec::new();
    loop {
        // What was served before can stand beside each other.
        let mut catalog = Catalog::new(calls.clone());
        for (_, holding) in chosen.iter().filter(|choice| is_old(choice)) {
            let _ = catalog.add(&holding.listing);
        }
        let mut is_final = true;
        let mut next = Vec::new();
        let mut refused = Vec::new();
        for choice in chosen {
            if is_old(&choice) {
                next.push(choice);
                continue;
            }
            match catalog.add(&choice.1.listing) {
                Ok(()) => next.push(choice),
                Err(found) => match held.get(&choice.0) {
                    // It takes names that others may have got, and gives up those for
                    // which others were refused, so all of them are judged again.
                    Some(old) => {
                        errors.extend(found);
                        next.push((choice.0, old.clone()));
                        is_final = false;
                    }
                    None => {
                        refused.push((choice.0.clone(), found));
                        next.push(choice);
                    }
                },
            }
        }
        chosen = next;
        if is_final {
            for (path, found) in refused {
                chosen.retain(|(other, _)| *other != path);
                errors.extend(found);
            }
            break;
        }
    }
    // Once more in the order in which they are named.
    let mut catalog = Catalog::new(calls.clone());
    chosen.retain(|(_, holding)| {
        let added = catalog.add(&holding.listing);
        added.map_err(|found| errors.extend(found)).is_ok()
    });
    (catalog, chosen.into_iter().collect(), errors)
}
