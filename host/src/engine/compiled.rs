//! Compiled components in use. A component that is loaded several times, with different settings, is compiled and mapped
//! once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OnceCell;
use wasmtime::component::Component;

/// A compiled component. While it or a clone exists, no other one is made of the same bytes.
#[derive(Clone)]
pub struct Compiled {
    /// The component for linking.
    pub component: Component,
    _entry: Arc<Entry>,
}

/// The compiled components in use, by the digest of their bytes.
#[derive(Default)]
pub(super) struct CompiledComponents(Arc<Mutex<HashMap<String, Weak<Entry>>>>);

/// One component that is compiled or being compiled. Removes itself from the map when its last user is gone.
struct Entry {
    component: OnceCell<Component>,
    digest: String,
    entries: Arc<Mutex<HashMap<String, Weak<Entry>>>>,
}

impl CompiledComponents {
    /// Returns the component of this digest. If it is not in use yet, `compile` makes it; concurrent callers wait for the
    /// first one, and the next one tries if that fails or is dropped.
    pub(super) async fn get<E>(
        &self,
        digest: &str,
        compile: impl Future<Output = Result<Component, E>>,
    ) -> Result<Compiled, E> {
        let entry = self.entry(digest);
        let component = entry.component.get_or_try_init(|| compile).await?.clone();
        Ok(Compiled {
            component,
            _entry: entry,
        })
    }

    fn entry(&self, digest: &str) -> Arc<Entry> {
        let mut entries = lock(&self.0);
        if let Some(entry) = entries.get(digest).and_then(Weak::upgrade) {
            return entry;
        }
        let entry = Arc::new(Entry {
            component: OnceCell::new(),
            digest: digest.to_owned(),
            entries: self.0.clone(),
        });
        entries.insert(digest.to_owned(), Arc::downgrade(&entry));
        entry
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut entries = lock(&self.entries);
        // Another one may have taken its place.
        if entries
            .get(&self.digest)
            .is_some_and(|entry| entry.strong_count() == 0)
        {
            entries.remove(&self.digest);
        }
    }
}

fn lock<T>(entries: &Mutex<T>) -> MutexGuard<'_, T> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}
