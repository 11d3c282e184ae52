//! The embedded store: one file, of which this process is the only user.
//!
//! Every operation waits for a disk, so each runs on a thread that may wait.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use tokio::sync::Semaphore;

use super::{
    KeyValueError, MAX_BATCH_BYTES, MAX_KEYS, Page, StoreError, counted, entry_bytes, over_quota,
    page, place_of,
};

/// Space, place in the order of lists, key → value.
const VALUES: TableDefinition<'_, (&str, u64, &str), &[u8]> = TableDefinition::new("values");
/// Component → bytes that it keeps.
const USED: TableDefinition<'_, &str, u64> = TableDefinition::new("used");
/// What the store holds in memory of its file.
const CACHE_BYTES: usize = 16 << 20;

/// Operations at a time: each has a thread to itself, also when its call has been stopped.
const MAX_OPERATIONS: usize = 32;

/// A file, opened when it is first needed.
pub(super) struct File(Arc<Inner>);

struct Inner {
    path: PathBuf,
    turns: Arc<Semaphore>,
    database: Mutex<Option<Arc<Database>>>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(Inner {
            path,
            turns: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            database: Mutex::default(),
        }))
    }

    pub(super) async fn open(&self) -> Result<(), StoreError> {
        let inner = self.0.clone();
        tokio::task::spawn_blocking(move || inner.database().map(drop))
            .await
            .unwrap_or_else(|error| Err(self.0.cannot(error)))
    }

    pub(super) async fn get(
        &self,
        space: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let space = space.to_owned();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let mut found = Vec::with_capacity(keys.len());
            let mut bytes = 0;
            for key in keys {
                let value = values.get((space.as_str(), place_of(&key), key.as_str()))?;
                let value = value.map(|value| value.value().to_vec());
                bytes += value.as_ref().map_or(0, Vec::len);
                if bytes > MAX_BATCH_BYTES {
                    return Ok(Err(KeyValueError::other(format!(
                        "the values are more than {MAX_BATCH_BYTES} bytes together"
                    ))));
                }
                found.push(value);
            }
            Ok(Ok(found))
        })
        .await
    }

    pub(super) async fn exists(&self, space: &str, key: String) -> Result<bool, KeyValueError> {
        let space = space.to_owned();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let found = values.get((space.as_str(), place_of(&key), key.as_str()))?;
            Ok(Ok(found.is_some()))
        })
        .await
    }

    pub(super) async fn set(
        &self,
        component: &str,
        space: &str,
        entries: Vec<(String, Vec<u8>)>,
        quota_bytes: u64,
    ) -> Result<(), KeyValueError> {
        let (component, space) = (component.to_owned(), space.to_owned());
        self.run(move |database| {
            let writing = database.begin_write()?;
            {
                let mut values = writing.open_table(VALUES)?;
                let mut used = writing.open_table(USED)?;
                let before = used
                    .get(component.as_str())?
                    .map_or(0, |bytes| bytes.value());
                let mut bytes = before;
                for (key, value) in &entries {
                    let place = (space.as_str(), place_of(key), key.as_str());
                    let old = values.insert(place, value.as_slice())?;
                    let old = old.map_or(0, |old| entry_bytes(key, old.value().len()));
                    bytes = bytes.saturating_sub(old) + entry_bytes(key, value.len());
                }
                // What makes it smaller is welcome even where the quota has become less.
                if bytes > quota_bytes && bytes > before {
                    return Ok(Err(over_quota(quota_bytes)));
                }
                used.insert(component.as_str(), bytes)?;
            }
            writing.commit()?;
            Ok(Ok(()))
        })
        .await
    }

    pub(super) async fn delete(
        &self,
        component: &str,
        space: &str,
        keys: Vec<String>,
    ) -> Result<(), KeyValueError> {
        let (component, space) = (component.to_owned(), space.to_owned());
        self.run(move |database| {
            let writing = database.begin_write()?;
            {
                let mut values = writing.open_table(VALUES)?;
                let mut used = writing.open_table(USED)?;
                let mut bytes = used
                    .get(component.as_str())?
                    .map_or(0, |bytes| bytes.value());
                for key in &keys {
                    let old = values.remove((space.as_str(), place_of(key), key.as_str()))?;
                    let old = old.map_or(0, |old| entry_bytes(key, old.value().len()));
                    bytes = bytes.saturating_sub(old);
                }
                used.insert(component.as_str(), bytes)?;
            }
            writing.commit()?;
            Ok(Ok(()))
        })
        .await
    }

    pub(super) async fn increment(
        &self,
        component: &str,
        space: &str,
        key: String,
        delta: u64,
        quota_bytes: u64,
    ) -> Result<u64, KeyValueError> {
        let (component, space) = (component.to_owned(), space.to_owned());
        self.run(move |database| {
            let writing = database.begin_write()?;
            let sum = {
                let mut values = writing.open_table(VALUES)?;
                let mut used = writing.open_table(USED)?;
                let place = (space.as_str(), place_of(&key), key.as_str());
                let old = values.get(place)?.map(|old| old.value().to_vec());
                let sum = match counted(old.as_deref(), delta) {
                    Ok(sum) => sum,
                    Err(fault) => return Ok(Err(fault)),
                };
                let digits = sum.to_string();
                let before = used
                    .get(component.as_str())?
                    .map_or(0, |bytes| bytes.value());
                let old = old.map_or(0, |old| entry_bytes(&key, old.len()));
                let bytes = before.saturating_sub(old) + entry_bytes(&key, digits.len());
                if bytes > quota_bytes && bytes > before {
                    return Ok(Err(over_quota(quota_bytes)));
                }
                values.insert(place, digits.as_bytes())?;
                used.insert(component.as_str(), bytes)?;
                sum
            };
            writing.commit()?;
            Ok(Ok(sum))
        })
        .await
    }

    pub(super) async fn list(&self, space: &str, from: u64) -> Result<Page, KeyValueError> {
        let space = space.to_owned();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let mut found = Vec::new();
            for entry in values.range((space.as_str(), from, "")..)? {
                let (place, _) = entry?;
                let (of, place, key) = place.value();
                if of != space || found.len() > MAX_KEYS {
                    break;
                }
                found.push((place, key.to_owned()));
            }
            Ok(page(found))
        })
        .await
    }

    /// Runs an operation where it may wait.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Database) -> Result<Result<T, KeyValueError>, redb::Error>
        + Send
        + 'static,
    ) -> Result<T, KeyValueError> {
        let inner = self.0.clone();
        let turn = inner.turns.clone().acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let database = inner
                .database()
                .map_err(|error| KeyValueError::store(&error))?;
            operation(&database)
                .unwrap_or_else(|error| Err(KeyValueError::store(&inner.cannot(error))))
        });
        match done.await {
            Ok(done) => done,
            Err(error) => Err(KeyValueError::store(&self.0.cannot(error))),
        }
    }
}

impl Inner {
    fn database(&self) -> Result<Arc<Database>, StoreError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*database {
            return Ok(database.clone());
        }
        let opened = Arc::new(self.create()?);
        *database = Some(opened.clone());
        Ok(opened)
    }

    /// Only this user may read what callers have left here.
    fn create(&self) -> Result<Database, StoreError> {
        if let Some(dir) = self.path.parent() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|error| self.cannot(error))?;
        }
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.cannot(error))?;
        let database = FileBackend::new(file)
            .and_then(|file| {
                let mut builder = Database::builder();
                builder
                    .set_cache_size(CACHE_BYTES)
                    .create_with_backend(file)
            })
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => self.cannot(
                    "another process has it open; end it, name another file, or share a Redis \
                     with `url` in [kv]",
                ),
                other => self.cannot(other),
            })?;
        // Readers find both tables.
        let tables = || -> Result<(), redb::Error> {
            let writing = database.begin_write()?;
            writing.open_table(VALUES)?;
            writing.open_table(USED)?;
            writing.commit()?;
            Ok(())
        };
        tables().map_err(|error| self.cannot(error))?;
        Ok(database)
    }

    fn cannot(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::File(self.path.display().to_string(), why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stopped call's operation keeps its turn for as long as it runs.
    #[tokio::test]
    async fn turns_are_kept_by_what_runs() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = Arc::new(File::new(dir.path().join("kv.redb")));
        let turns = file.0.turns.clone();
        // As if the disk hung.
        let inner = file.0.clone();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel();
        let hanging = std::thread::spawn(move || {
            let _held = inner.database.lock();
            let _ = begin.send(());
            ended.recv()
        });
        begun.recv().expect("it hangs");
        for _ in 0..2 * MAX_OPERATIONS {
            let file = file.clone();
            let call =
                tokio::spawn(async move { file.exists("space", "key".into()).await.is_ok() });
            tokio::task::yield_now().await;
            call.abort();
        }
        assert_eq!(turns.available_permits(), 0);
        drop(end);
        assert!(hanging.join().is_ok());
        assert!(file.exists("space", "key".into()).await.is_ok());
    }
}
