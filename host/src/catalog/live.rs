//! The catalog that is served now.

use std::sync::Arc;

use tokio::sync::watch;

use super::index::Catalog;

/// A handle to the catalog that is served now. Clones share it.
#[derive(Clone)]
pub struct LiveCatalog(Arc<watch::Sender<Arc<Catalog>>>);

impl LiveCatalog {
    /// Creates a handle with a first catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(catalog))))
    }

    /// Returns the current catalog. It remains valid after it has been replaced.
    pub fn current(&self) -> Arc<Catalog> {
        self.0.borrow().clone()
    }

    /// Replaces the catalog. Running calls continue in the components they started in.
    pub fn replace(&self, catalog: Catalog) {
        self.0.send_replace(Arc::new(catalog));
    }

    /// Subscribes to replacements.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Catalog>> {
        self.0.subscribe()
    }
}
