//! The store that holds the buckets of all components.

use std::sync::Arc;

use super::backend::Backend;
use super::bucket::ComponentBuckets;
use super::bucket_grant::BucketGrant;
use super::error::StoreError;
use super::file_backend::FileBackend;
use super::location::StoreLocation;
use super::redis_backend::RedisBackend;

/// `[kv]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueConfig {
    /// The location of the data; `None` if none is configured and the user has no home directory.
    pub location: Option<StoreLocation>,
    /// Bytes that one component may store, keys and values together.
    pub quota_bytes: u64,
}

impl Default for KeyValueConfig {
    fn default() -> Self {
        Self {
            location: None,
            quota_bytes: 64 << 20,
        }
    }
}

/// The buckets of all components. Cheap to clone. Connects to its storage with the first operation.
#[derive(Clone)]
pub struct Store {
    backend: Option<Arc<dyn Backend>>,
    quota_bytes: u64,
}

impl Store {
    /// Creates the store without opening it.
    pub fn new(config: &KeyValueConfig) -> Self {
        let backend = config
            .location
            .as_ref()
            .map(|location| -> Arc<dyn Backend> {
                match location {
                    StoreLocation::File(path) => Arc::new(FileBackend::new(path.clone())),
                    StoreLocation::Redis(url) => Arc::new(RedisBackend::new(url.clone())),
                }
            });
        Self {
            backend,
            quota_bytes: config.quota_bytes,
        }
    }

    /// Opens the file or connects to Redis, to report a problem before a guest encounters it.
    ///
    /// # Errors
    /// The data cannot be used.
    pub async fn open(&self) -> Result<(), StoreError> {
        match &self.backend {
            None => Ok(()),
            Some(backend) => backend.open().await,
        }
    }

    /// Returns the buckets that are granted to a component, or `None` if the store has no location.
    pub(in crate::sandbox) fn component_buckets(
        &self,
        component: &str,
        grants: &[BucketGrant],
    ) -> Option<ComponentBuckets> {
        let backend = self.backend.clone()?;
        Some(ComponentBuckets::new(
            backend,
            component,
            grants,
            self.quota_bytes,
        ))
    }
}
