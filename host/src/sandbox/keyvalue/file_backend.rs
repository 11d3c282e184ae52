//! The embedded backend: a redb database in one file, which only this process has open.
//!
//! Every operation may wait for a disk, so it runs on a blocking thread.

use std::fmt::Display;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend as DatabaseFile;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wasmtime_wasi::async_trait;

use super::backend::{Backend, Keyspace, Page, entry_bytes, incremented, list_position, to_page};
use super::error::{KeyValueError, StoreError};
use super::limits::{MAX_BATCH_BYTES, MAX_KEYS};

/// The keyspace's path, the position in listings and the key.
type EntryKey = (&'static str, u64, &'static str);
type Values<'txn> = Table<'txn, EntryKey, &'static [u8]>;

const VALUES: TableDefinition<'_, EntryKey, &[u8]> = TableDefinition::new("values");
/// The bytes that each component uses.
const USAGE: TableDefinition<'_, &str, u64> = TableDefinition::new("used");
/// Size of the database's page cache.
const CACHE_BYTES: usize = 16 << 20;
/// Concurrent operations. Each occupies a blocking thread, even after its call has been stopped.
const MAX_OPERATIONS: usize = 32;

/// A database file, opened for the first operation.
pub(super) struct FileBackend(Arc<Inner>);

struct Inner {
    path: PathBuf,
    permits: Arc<Semaphore>,
    database: Mutex<Option<Arc<Database>>>,
}

/// The failure of an operation: the guest's mistake, or an error of the database.
enum OperationError {
    Guest(KeyValueError),
    Database(redb::Error),
}

impl From<KeyValueError> for OperationError {
    fn from(error: KeyValueError) -> Self {
        Self::Guest(error)
    }
}

/// redb has an error type for each kind of operation; all convert to `redb::Error`.
impl<E: Into<redb::Error>> From<E> for OperationError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl FileBackend {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(Inner {
            path,
            permits: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            database: Mutex::default(),
        }))
    }

    /// Runs an operation on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Database) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let inner = self.0.clone();
        let permit = inner.permits.clone().acquire_owned().await;
        let result = spawn_blocking(move || {
            let _permit = permit;
            let database = inner
                .database()
                .map_err(|error| KeyValueError::unavailable(&error))?;
            operation(&database).map_err(|error| match error {
                OperationError::Guest(error) => error,
                OperationError::Database(error) => {
                    KeyValueError::unavailable(&inner.store_error(error))
                }
            })
        });
        match result.await {
            Ok(result) => result,
            Err(error) => Err(KeyValueError::unavailable(&self.0.store_error(error))),
        }
    }

    /// Runs a write transaction. `operation` receives the component's usage in bytes and updates it. The transaction is
    /// rolled back if `operation` fails or the quota would be exceeded.
    async fn write<T: Send + 'static>(
        &self,
        keyspace: &Keyspace,
        operation: impl FnOnce(&mut Values<'_>, &mut u64) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let (component, quota_bytes) = (keyspace.component.clone(), keyspace.quota_bytes);
        self.run(move |database| {
            let transaction = database.begin_write()?;
            let result = {
                let mut values = transaction.open_table(VALUES)?;
                let mut usage = transaction.open_table(USAGE)?;
                let old_usage = usage
                    .get(component.as_str())?
                    .map_or(0, |bytes| bytes.value());
                let mut new_usage = old_usage;
                let result = operation(&mut values, &mut new_usage)?;
                // A component above a lowered quota may still replace values by smaller ones.
                if new_usage > quota_bytes && new_usage > old_usage {
                    return Err(KeyValueError::quota_exceeded(quota_bytes).into());
                }
                usage.insert(component.as_str(), new_usage)?;
                result
            };
            transaction.commit()?;
            Ok(result)
        })
        .await
    }
}

#[async_trait]
impl Backend for FileBackend {
    async fn open(&self) -> Result<(), StoreError> {
        let inner = self.0.clone();
        spawn_blocking(move || inner.database().map(drop))
            .await
            .unwrap_or_else(|error| Err(self.0.store_error(error)))
    }

    async fn get(
        &self,
        keyspace: &Keyspace,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let path = keyspace.path.clone();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let mut found = Vec::with_capacity(keys.len());
            let mut total_bytes = 0;
            for key in keys {
                let value = values.get((path.as_str(), list_position(&key), key.as_str()))?;
                let value = value.map(|value| value.value().to_vec());
                total_bytes += value.as_ref().map_or(0, Vec::len);
                if total_bytes > MAX_BATCH_BYTES {
                    return Err(KeyValueError::batch_too_large().into());
                }
                found.push(value);
            }
            Ok(found)
        })
        .await
    }

    async fn exists(&self, keyspace: &Keyspace, key: String) -> Result<bool, KeyValueError> {
        let path = keyspace.path.clone();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let found = values.get((path.as_str(), list_position(&key), key.as_str()))?;
            Ok(found.is_some())
        })
        .await
    }

    async fn set(
        &self,
        keyspace: &Keyspace,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), KeyValueError> {
        let path = keyspace.path.clone();
        self.write(keyspace, move |values, usage| {
            for (key, value) in &entries {
                let entry = (path.as_str(), list_position(key), key.as_str());
                let old = values.insert(entry, value.as_slice())?;
                let old_bytes = old.map_or(0, |old| entry_bytes(key, old.value().len()));
                *usage = usage.saturating_sub(old_bytes) + entry_bytes(key, value.len());
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, keyspace: &Keyspace, keys: Vec<String>) -> Result<(), KeyValueError> {
        let path = keyspace.path.clone();
        self.write(keyspace, move |values, usage| {
            for key in &keys {
                let old = values.remove((path.as_str(), list_position(key), key.as_str()))?;
                let old_bytes = old.map_or(0, |old| entry_bytes(key, old.value().len()));
                *usage = usage.saturating_sub(old_bytes);
            }
            Ok(())
        })
        .await
    }

    async fn increment(
        &self,
        keyspace: &Keyspace,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyValueError> {
        let path = keyspace.path.clone();
        self.write(keyspace, move |values, usage| {
            let entry = (path.as_str(), list_position(&key), key.as_str());
            let old = values.get(entry)?.map(|old| old.value().to_vec());
            let sum = incremented(old.as_deref(), delta)?;
            let digits = sum.to_string();
            values.insert(entry, digits.as_bytes())?;
            let old_bytes = old.map_or(0, |old| entry_bytes(&key, old.len()));
            *usage = usage.saturating_sub(old_bytes) + entry_bytes(&key, digits.len());
            Ok(sum)
        })
        .await
    }

    async fn list_keys(&self, keyspace: &Keyspace, cursor: u64) -> Result<Page, KeyValueError> {
        let path = keyspace.path.clone();
        self.run(move |database| {
            let values = database.begin_read()?.open_table(VALUES)?;
            let mut found = Vec::new();
            for entry in values.range((path.as_str(), cursor, "")..)? {
                let (entry_key, _) = entry?;
                let (entry_path, position, key) = entry_key.value();
                if entry_path != path || found.len() > MAX_KEYS {
                    break;
                }
                found.push((position, key.to_owned()));
            }
            Ok(to_page(found)?)
        })
        .await
    }
}

impl Inner {
    /// Returns the database; opens it on the first call.
    fn database(&self) -> Result<Arc<Database>, StoreError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*database {
            return Ok(database.clone());
        }
        let opened = Arc::new(self.open_or_create()?);
        *database = Some(opened.clone());
        Ok(opened)
    }

    /// Opens the file, or creates it with access for this user only, because it holds the callers' data.
    fn open_or_create(&self) -> Result<Database, StoreError> {
        if let Some(dir) = self.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|error| self.store_error(error))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.store_error(error))?;
        let database = DatabaseFile::new(file)
            .and_then(|file| {
                Database::builder()
                    .set_cache_size(CACHE_BYTES)
                    .create_with_backend(file)
            })
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => self.store_error(
                    "another process has it open; end it, name another file, or share a Redis \
                     with `url` in [kv]",
                ),
                other => self.store_error(other),
            })?;
        create_tables(&database).map_err(|error| self.store_error(error))?;
        Ok(database)
    }

    fn store_error(&self, reason: impl Display) -> StoreError {
        StoreError::File {
            path: self.path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Creates both tables, so that read transactions can open them.
fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    transaction.open_table(USAGE)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn operations_of_stopped_calls_hold_their_permits_until_they_finish() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let backend = Arc::new(FileBackend::new(dir.path().join("kv.redb")));
        let permits = backend.0.permits.clone();
        // Holding the lock simulates a disk that hangs.
        let inner = backend.0.clone();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel();
        let hanging = std::thread::spawn(move || {
            let _locked = inner.database.lock();
            let _ = begin.send(());
            ended.recv()
        });
        begun.recv().expect("the thread has the lock");
        let keyspace = Keyspace {
            component: "component".into(),
            path: "component/bucket".into(),
            quota_bytes: 0,
        };
        for _ in 0..2 * MAX_OPERATIONS {
            let (backend, keyspace) = (backend.clone(), keyspace.clone());
            let call =
                tokio::spawn(async move { backend.exists(&keyspace, "key".into()).await.is_ok() });
            tokio::task::yield_now().await;
            call.abort();
        }
        assert_eq!(permits.available_permits(), 0);
        drop(end);
        assert!(hanging.join().is_ok());
        assert!(backend.exists(&keyspace, "key".into()).await.is_ok());
    }
}
