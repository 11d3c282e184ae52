//! The buckets of a component, and the operations of an open bucket.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::backend::{Backend, Keyspace, Page};
use super::bucket_grant::{BucketGrant, split_identifier};
use super::error::KeyValueError;
use super::limits::{MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// The owner of the `@caller` part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The issuer of the caller's access token.
    pub issuer: String,
    /// The subject of the caller's access token.
    pub subject: String,
}

impl Owner {
    /// Returns a digest that is unique for the issuer and subject. The length in front of the issuer marks its end.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.issuer.len() as u64).to_be_bytes());
        hash.update(&self.issuer);
        hash.update(&self.subject);
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The buckets that are granted to one component.
pub(in crate::sandbox) struct ComponentBuckets {
    backend: Arc<dyn Backend>,
    /// The component's name, percent-encoded, because `/` separates it from the bucket.
    component: String,
    grants: Vec<BucketGrant>,
    quota_bytes: u64,
}

impl ComponentBuckets {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        component: &str,
        grants: &[BucketGrant],
        quota_bytes: u64,
    ) -> Self {
        Self {
            backend,
            component: percent_encode(component),
            grants: grants.to_vec(),
            quota_bytes,
        }
    }

    /// Opens the bucket that a guest names as `cache` or `cache@caller`.
    pub(super) fn open(
        &self,
        identifier: &str,
        owner: Option<&Owner>,
    ) -> Result<Bucket, KeyValueError> {
        let (name, is_caller_part) =
            split_identifier(identifier).ok_or(KeyValueError::NoSuchStore)?;
        let grant = self
            .grants
            .iter()
            .find(|grant| grant.covers(name, is_caller_part))
            .ok_or(KeyValueError::AccessDenied)?;
        let mut path = format!("{}/{}", self.component, grant.name);
        if is_caller_part {
            let owner = owner.ok_or_else(|| {
                KeyValueError::other(format!(
                    "the bucket `{identifier}` belongs to a caller, and nobody is known: the \
                     host runs without authentication"
                ))
            })?;
            path = format!("{path}/{}", owner.digest());
        }
        Ok(Bucket {
            backend: self.backend.clone(),
            keyspace: Keyspace {
                component: self.component.clone(),
                path,
                quota_bytes: self.quota_bytes,
            },
        })
    }
}

/// Percent-encodes every byte that is not an unreserved character.
fn percent_encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// An open bucket: the resource `bucket` of `wasi:keyvalue/store`.
pub struct Bucket {
    backend: Arc<dyn Backend>,
    keyspace: Keyspace,
}

impl Bucket {
    /// Returns the value of each key, in the order of `keys`.
    pub(super) async fn get(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        keys.iter().try_for_each(|key| check_key(key))?;
        self.backend.get(&self.keyspace, keys).await
    }

    pub(super) async fn exists(&self, key: String) -> Result<bool, KeyValueError> {
        check_key(&key)?;
        self.backend.exists(&self.keyspace, key).await
    }

    pub(super) async fn set(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), KeyValueError> {
        let mut total_bytes = 0;
        for (key, value) in &entries {
            check_key(key)?;
            if value.len() > MAX_VALUE_BYTES {
                return Err(KeyValueError::longer_than("value", MAX_VALUE_BYTES));
            }
            total_bytes += value.len();
        }
        if total_bytes > MAX_BATCH_BYTES {
            return Err(KeyValueError::batch_too_large());
        }
        self.backend.set(&self.keyspace, entries).await
    }

    pub(super) async fn delete(&self, keys: Vec<String>) -> Result<(), KeyValueError> {
        keys.iter().try_for_each(|key| check_key(key))?;
        self.backend.delete(&self.keyspace, keys).await
    }

    pub(super) async fn increment(&self, key: String, delta: u64) -> Result<u64, KeyValueError> {
        check_key(&key)?;
        self.backend.increment(&self.keyspace, key, delta).await
    }

    pub(super) async fn list_keys(&self, cursor: u64) -> Result<Page, KeyValueError> {
        self.backend.list_keys(&self.keyspace, cursor).await
    }
}

fn check_key(key: &str) -> Result<(), KeyValueError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(KeyValueError::longer_than("key", MAX_KEY_BYTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;

    use super::super::file_backend::FileBackend;
    use super::*;

    /// A digest of a caller, which is also a valid name of a bucket.
    const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn components_buckets_and_callers_have_distinct_paths() {
        let owners = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "bc")];
        let owners = owners.map(|(issuer, subject)| Owner {
            issuer: issuer.into(),
            subject: subject.into(),
        });
        let digest = owners[0].digest();
        assert_eq!(digest.len(), DIGEST.len());
        // Never opened.
        let backend: Arc<dyn Backend> = Arc::new(FileBackend::new(PathBuf::new()));
        let mut paths = HashSet::new();
        let mut opened = 0;
        for component in ["a", "a/b", "a%2Fb", "A", "a/b/c", "é"] {
            let names = ["b", "c", "B", DIGEST, &digest];
            let grants = names.map(|name| BucketGrant::parse(name).expect("a valid name"));
            let buckets = ComponentBuckets::new(backend.clone(), component, &grants, 0);
            for name in names {
                let shared = buckets.open(name, None);
                let caller_parts = owners
                    .iter()
                    .map(|owner| buckets.open(&format!("{name}@caller"), Some(owner)));
                for bucket in caller_parts.chain([shared]) {
                    let bucket = bucket.unwrap_or_else(|_| panic!("the bucket is granted"));
                    paths.insert(bucket.keyspace.path);
                    opened += 1;
                }
            }
        }
        assert_eq!(paths.len(), opened);
    }
}
