//! The interface of the storage backends, and the rules that they have in common.

use sha2::{Digest, Sha256};
use wasmtime_wasi::async_trait;

use super::error::{KeyValueError, StoreError};
use super::limits::{ENTRY_OVERHEAD_BYTES, MAX_COUNT, MAX_KEYS};

/// The part of a store that holds the entries of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Keyspace {
    /// The component's name, percent-encoded. All its buckets share one quota.
    pub(super) component: String,
    /// The component, the bucket and, for a caller's part, a digest of the caller, separated by `/`.
    pub(super) path: String,
    /// Bytes that the component may store.
    pub(super) quota_bytes: u64,
}

/// A page of keys.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    /// The cursor of the next page; `None` on the last one.
    pub(super) next: Option<u64>,
}

/// A storage backend.
///
/// Callers have checked the size of every key, value and batch. A backend connects to its storage with the first
/// operation.
#[async_trait]
pub(super) trait Backend: Send + Sync {
    /// Connects to the storage, to report a problem before a guest encounters it.
    async fn open(&self) -> Result<(), StoreError>;

    /// Returns the value of each key, in the order of `keys`.
    async fn get(
        &self,
        keyspace: &Keyspace,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError>;

    async fn exists(&self, keyspace: &Keyspace, key: String) -> Result<bool, KeyValueError>;

    /// Sets all entries, or none if the component would exceed its quota.
    async fn set(
        &self,
        keyspace: &Keyspace,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), KeyValueError>;

    async fn delete(&self, keyspace: &Keyspace, keys: Vec<String>) -> Result<(), KeyValueError>;

    /// Adds `delta` to a counter, which is stored as decimal digits; a missing one is zero. Returns the sum.
    async fn increment(
        &self,
        keyspace: &Keyspace,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyValueError>;

    /// Returns a page of the keys at position `cursor` and above.
    async fn list_keys(&self, keyspace: &Keyspace, cursor: u64) -> Result<Page, KeyValueError>;
}

/// Returns the position of a key in listings. It has 53 bits, which a Redis score (a double) represents exactly.
pub(super) fn list_position(key: &str) -> u64 {
    let digest = Sha256::digest(key);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) >> 11
}

/// Returns the bytes that an entry counts towards the quota.
pub(super) fn entry_bytes(key: &str, value_bytes: usize) -> u64 {
    (key.len() + value_bytes + ENTRY_OVERHEAD_BYTES) as u64
}

/// Creates a page from up to `MAX_KEYS + 1` keys with their positions, in order.
///
/// A cursor is a position, so keys of the same position must be on the same page.
pub(super) fn to_page(mut found: Vec<(u64, String)>) -> Result<Page, KeyValueError> {
    let mut next = None;
    if found.len() > MAX_KEYS {
        next = found.last().map(|(position, _)| *position);
        found.retain(|(position, _)| Some(*position) != next);
        if found.is_empty() {
            return Err(KeyValueError::other("the keys cannot be told apart"));
        }
    }
    Ok(Page {
        keys: found.into_iter().map(|(_, key)| key).collect(),
        next,
    })
}

/// Adds `delta` to the stored value of a counter, with the rules of Redis: decimal digits without a leading zero.
pub(super) fn incremented(value: Option<&[u8]>, delta: u64) -> Result<u64, KeyValueError> {
    let count: u64 = match value {
        None => 0,
        Some(digits) => std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .filter(|digits| !digits.starts_with('0') || *digits == "0")
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(KeyValueError::not_a_number)?,
    };
    count
        .checked_add(delta)
        .filter(|sum| *sum <= MAX_COUNT)
        .ok_or_else(KeyValueError::count_overflow)
}
