//! Components that answer HTTP requests at a path.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::ComponentEntry;
use super::error::CatalogError;
use crate::component::Component;
use crate::telemetry::{Record, TargetCell, TargetFacts};

/// A component under the path at which it answers.
pub struct MountEntry {
    /// The path, without a slash at the end.
    pub path: String,
    /// Scopes that a request requires, sorted.
    pub scopes: Vec<String>,
    pub(super) owner: Arc<ComponentEntry>,
    /// For the records of its requests.
    recorded: TargetCell,
}

impl MountEntry {
    /// Returns the component that answers.
    pub fn component(&self) -> &Arc<Component> {
        &self.owner.component
    }

    /// Starts to record a request as one to this path.
    pub fn record_in(&self, record: &Record) {
        record.set_target(&self.recorded, || TargetFacts {
            kind: "mount",
            name: self.path.as_str().into(),
            component: self.component().name.as_str().into(),
            digest: self.component().digest.as_str().into(),
            scopes: self.scopes.as_slice().into(),
        });
    }
}

/// The mounts of a catalog, by path.
#[derive(Default)]
pub(super) struct Mounts(BTreeMap<String, Arc<MountEntry>>);

impl Mounts {
    /// Adds a mount.
    ///
    /// # Errors
    /// Another component answers at the path.
    pub(super) fn insert(
        &mut self,
        path: &str,
        scopes: Vec<String>,
        owner: &Arc<ComponentEntry>,
    ) -> Result<(), CatalogError> {
        if let Some(first) = self.0.get(path) {
            return Err(CatalogError::SameMount {
                path: path.to_owned(),
                first: first.component().name.clone(),
                second: owner.component.name.clone(),
            });
        }
        let entry = MountEntry {
            path: path.to_owned(),
            scopes,
            owner: owner.clone(),
            recorded: TargetCell::default(),
        };
        self.0.insert(path.to_owned(), Arc::new(entry));
        Ok(())
    }

    /// Returns the mount at a path or, of those above it, the nearest one.
    pub(super) fn find(&self, path: &str) -> Option<&Arc<MountEntry>> {
        // The mounts are few, and the client chooses the number of segments.
        let above = self.0.iter().filter(|(mount, _)| {
            let rest = path.strip_prefix(mount.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        above
            .max_by_key(|(mount, _)| mount.len())
            .map(|(_, entry)| entry)
    }

    pub(super) fn of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a MountEntry> {
        let entries = self.0.values().map(|entry| &**entry);
        entries.filter(|entry| Arc::ptr_eq(&entry.owner, owner))
    }

    pub(super) fn remove_of(&mut self, owner: &Arc<ComponentEntry>) {
        self.0.retain(|_, entry| !Arc::ptr_eq(&entry.owner, owner));
    }
}
