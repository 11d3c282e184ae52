//! `wasi:keyvalue` (0.2.0-draft): what a component keeps from one call to the next.
//!
//! A bucket belongs to a component. A guest opens it by the name that is granted, `cache`, for what all callers share, or
//! as `cache@caller` for what belongs to the caller alone: the issuer and the subject of its token. Nothing of another
//! component, another bucket or another caller can be named, since none of their names ever comes from the guest.

mod bindings;
mod file;
mod location;
mod redis;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub(super) use bindings::{View, add_to_linker};
pub use location::StoreLocation;

/// The longest key.
pub const MAX_KEY_BYTES: usize = 1 << 10;
/// The largest value.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Keys in one batch, and in one page of a list.
pub const MAX_KEYS: usize = 1_000;
/// The values that one batch may carry together.
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// What an entry counts towards the quota beside its key and value.
const ENTRY_OVERHEAD_BYTES: usize = 64;
/// What a guest puts behind a bucket's name for the caller's own part of it.
const CALLER: &str = "caller";
/// The longest name of a bucket.
const MAX_NAME_BYTES: usize = 64;

/// `[kv]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueConfig {
    /// Where the data is; `None` where there is no home directory for it.
    pub place: Option<StoreLocation>,
    /// What one component may keep, keys and values together, in bytes.
    pub quota_bytes: u64,
}

impl Default for KeyValueConfig {
    fn default() -> Self {
        Self {
            place: None,
            quota_bytes: 64 << 20,
        }
    }
}

/// An entry of `kv`: a bucket and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketGrant {
    name: String,
    /// Whether only the caller's own part is granted.
    caller_only: bool,
}

impl BucketGrant {
    /// Reads an entry: `cache` grants all of a bucket, `cache@caller` the caller's part.
    ///
    /// # Errors
    /// What is wrong with it, to be put behind its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, caller_only) = match text.split_once('@') {
            None => (text, false),
            Some((name, CALLER)) => (name, true),
            Some(_) => return Err("only `@caller` may stand behind a bucket's name".into()),
        };
        if !is_name(name) {
            return Err(format!(
                "a bucket's name is 1 to {MAX_NAME_BYTES} characters of `A-Z a-z 0-9 . _ -`"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            caller_only,
        })
    }
}

impl fmt::Display for BucketGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.caller_only {
            write!(f, "@{CALLER}")?;
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Whom the caller's part of a bucket belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Who vouches for the caller.
    pub issuer: String,
    /// The caller, as the issuer calls it.
    pub subject: String,
}

/// Where the buckets of all components are. Cheap to clone; nothing is opened before it is used.
#[derive(Clone)]
pub struct Store {
    backend: Option<Arc<Backend>>,
    quota_bytes: u64,
}

enum Backend {
    File(file::File),
    Redis(redis::Redis),
}

/// Why the data could not be had. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("the data of `wasi:keyvalue` in `{0}` cannot be used: {1}")]
    File(String, String),
    /// Redis cannot be used.
    #[error("the data of `wasi:keyvalue` at {0} cannot be used: {1}")]
    Redis(String, String),
}

/// What an operation says to a guest.
#[derive(Debug)]
enum KeyValueError {
    NoSuchStore,
    AccessDenied,
    /// One sentence.
    Other(String),
}

impl KeyValueError {
    fn other(sentence: impl Into<String>) -> Self {
        Self::Other(sentence.into())
    }

    /// The guest learns that it failed, the operator why.
    fn store(error: &StoreError) -> Self {
        tracing::warn!(%error, "no data for wasi:keyvalue");
        Self::other("the store cannot be used now")
    }
}

impl Store {
    /// Over the place of the settings.
    pub fn new(settings: &KeyValueConfig) -> Self {
        let backend = settings.place.as_ref().map(|place| {
            Arc::new(match place {
                StoreLocation::File(path) => Backend::File(file::File::new(path.clone())),
                StoreLocation::Redis(url) => Backend::Redis(redis::Redis::new(url.clone())),
            })
        });
        Self {
            backend,
            quota_bytes: settings.quota_bytes,
        }
    }

    pub(super) fn is_nowhere(&self) -> bool {
        self.backend.is_none()
    }

    /// Opens the file or connects, so that what is wrong is said before a guest meets it.
    ///
    /// # Errors
    /// When the data cannot be had.
    pub async fn open(&self) -> Result<(), StoreError> {
        match self.backend.as_deref() {
            None => Ok(()),
            Some(Backend::File(file)) => file.open().await,
            Some(Backend::Redis(redis)) => redis.open().await,
        }
    }
}

/// The buckets of one component.
pub(super) struct KeyValue {
    store: Store,
    /// The component's name, escaped: it separates itself.
    component: String,
    grants: Vec<BucketGrant>,
}

impl KeyValue {
    pub(super) fn new(store: Store, component: &str, grants: &[BucketGrant]) -> Self {
        Self {
            store,
            component: escaped(component),
            grants: grants.to_vec(),
        }
    }

    /// The bucket that a guest asks for.
    fn bucket(
        self: &Arc<Self>,
        identifier: &str,
        owner: Option<&Owner>,
    ) -> Result<Bucket, KeyValueError> {
        let (name, of_caller) = match identifier.split_once('@') {
            None => (identifier, false),
            Some((name, CALLER)) => (name, true),
            Some(_) => return Err(KeyValueError::NoSuchStore),
        };
        let granted =
            |grant: &&BucketGrant| grant.name == name && (of_caller || !grant.caller_only);
        let grant = self
            .grants
            .iter()
            .find(granted)
            .ok_or(KeyValueError::AccessDenied)?;
        let mut space = format!("{}/{}", self.component, grant.name);
        if of_caller {
            let owner = owner.ok_or_else(|| {
                KeyValueError::other(format!(
                    "the bucket `{identifier}` belongs to a caller, and nobody is known: the \
                     host runs without authentication"
                ))
            })?;
            space = format!("{space}/{}", owner.digest());
        }
        Ok(Bucket {
            of: self.clone(),
            space,
        })
    }
}

impl Owner {
    /// No issuer and subject have the same one as others: the length tells where the issuer ends.
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

/// Percent-encoded, so that no separator is left in it.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// An open bucket: `wasi:keyvalue/store.bucket`.
pub struct Bucket {
    of: Arc<KeyValue>,
    /// The component, the bucket and perhaps the caller. Every key is below it.
    space: String,
}

/// A page of keys, and where the next one begins.
struct Page {
    keys: Vec<String>,
    next: Option<u64>,
}

/// A key's place in the order of lists. It has 53 bits, so that every store has a number for it.
fn place_of(key: &str) -> u64 {
    let digest = Sha256::digest(key);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) >> 11
}

/// Bytes that an entry counts towards the quota.
fn entry_bytes(key: &str, value_bytes: usize) -> u64 {
    (key.len() + value_bytes + ENTRY_OVERHEAD_BYTES) as u64
}

/// The page that the first `MAX_KEYS` and one more of the keys behind a cursor make, each with its place: keys of one
/// place stay together, so that a cursor is between places.
fn page(mut found: Vec<(u64, String)>) -> Result<Page, KeyValueError> {
    let mut next = None;
    if found.len() > MAX_KEYS {
        next = found.last().map(|(place, _)| *place);
        found.retain(|(place, _)| Some(*place) != next);
        if found.is_empty() {
            return Err(KeyValueError::other("the keys cannot be told apart"));
        }
    }
    Ok(Page {
        keys: found.into_iter().map(|(_, key)| key).collect(),
        next,
    })
}

impl Bucket {
    fn backend(&self) -> Result<&Backend, KeyValueError> {
        self.of
            .store
            .backend
            .as_deref()
            .ok_or(KeyValueError::NoSuchStore)
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        for key in &keys {
            check_key(key)?;
        }
        match self.backend()? {
            Backend::File(file) => file.get(&self.space, keys).await,
            Backend::Redis(redis) => redis.get(&self.of.component, &self.space, keys).await,
        }
    }

    async fn exists(&self, key: String) -> Result<bool, KeyValueError> {
        check_key(&key)?;
        match self.backend()? {
            Backend::File(file) => file.exists(&self.space, key).await,
            Backend::Redis(redis) => redis.exists(&self.of.component, &self.space, key).await,
        }
    }

    async fn set(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), KeyValueError> {
        for (key, value) in &entries {
            check_key(key)?;
            if value.len() > MAX_VALUE_BYTES {
                return Err(KeyValueError::other(format!(
                    "the value is longer than {MAX_VALUE_BYTES} bytes"
                )));
            }
        }
        let (component, quota) = (&self.of.component, self.of.store.quota_bytes);
        match self.backend()? {
            Backend::File(file) => file.set(component, &self.space, entries, quota).await,
            Backend::Redis(redis) => redis.set(component, &self.space, entries, quota).await,
        }
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), KeyValueError> {
        for key in &keys {
            check_key(key)?;
        }
        match self.backend()? {
            Backend::File(file) => file.delete(&self.of.component, &self.space, keys).await,
            Backend::Redis(redis) => redis.delete(&self.of.component, &self.space, keys).await,
        }
    }

    async fn increment(&self, key: String, delta: u64) -> Result<u64, KeyValueError> {
        check_key(&key)?;
        let (component, quota) = (&self.of.component, self.of.store.quota_bytes);
        match self.backend()? {
            Backend::File(file) => {
                file.increment(component, &self.space, key, delta, quota)
                    .await
            }
            Backend::Redis(redis) => {
                redis
                    .increment(component, &self.space, key, delta, quota)
                    .await
            }
        }
    }

    async fn list(&self, from: u64) -> Result<Page, KeyValueError> {
        match self.backend()? {
            Backend::File(file) => file.list(&self.space, from).await,
            Backend::Redis(redis) => redis.list(&self.of.component, &self.space, from).await,
        }
    }
}

fn check_key(key: &str) -> Result<(), KeyValueError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(KeyValueError::other(format!(
            "the key is longer than {MAX_KEY_BYTES} bytes"
        )));
    }
    Ok(())
}

/// The quota is used up.
fn over_quota(quota_bytes: u64) -> KeyValueError {
    KeyValueError::other(format!(
        "the component keeps its {quota_bytes} bytes already; delete something"
    ))
}

/// A counter is a number in decimal digits, and stays within what every store can count.
fn counted(value: Option<&[u8]>, delta: u64) -> Result<u64, KeyValueError> {
    let now: u64 = match value {
        None => 0,
        Some(digits) => std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            // As Redis has it.
            .filter(|digits| !digits.starts_with('0') || *digits == "0")
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| KeyValueError::other("the value is no number"))?,
    };
    now.checked_add(delta)
        .filter(|sum| *sum <= MAX_COUNT)
        .ok_or_else(|| KeyValueError::other(format!("the sum is over {MAX_COUNT}")))
}

/// The largest number that a counter reaches: Redis counts with a sign.
const MAX_COUNT: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A digest as callers have them, which is a bucket's name too.
    const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    /// No component, bucket or caller has what is another's.
    #[test]
    fn spaces() {
        let owners = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "bc")];
        let owners = owners.map(|(issuer, subject)| Owner {
            issuer: issuer.into(),
            subject: subject.into(),
        });
        let digest = owners[0].digest();
        assert_eq!(digest.len(), DIGEST.len());
        let mut spaces = HashSet::new();
        let mut all = 0;
        for component in ["a", "a/b", "a%2Fb", "A", "a/b/c", "é"] {
            let buckets = ["b", "c", "B", DIGEST, &digest];
            let grants = buckets.map(|name| BucketGrant::parse(name).expect("a name"));
            let store = Store::new(&KeyValueConfig::default());
            let kv = Arc::new(KeyValue::new(store, component, &grants));
            for bucket in buckets {
                let shared = kv.bucket(bucket, None).ok();
                let own = owners
                    .iter()
                    .map(|owner| kv.bucket(&format!("{bucket}@caller"), Some(owner)).ok());
                for opened in own.chain([shared]) {
                    spaces.insert(opened.expect("it is granted").space);
                    all += 1;
                }
            }
        }
        assert_eq!(spaces.len(), all);
    }
}
