//! The embedded backend: a redb database in one file, which only this process has open.
//!
//! Every operation may wait for a disk, so it runs on a blocking thread.

use std::path::PathBuf;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, Table};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wasmtime_wasi::async_trait;

use super::backend::{Backend, Keyspace, Page, entry_bytes, incremented, list_position, to_page};
use super::error::{KeyValueError, StoreError};
use super::file_database::{EntryKey, FileDatabase, USAGE, VALUES};
use super::limits::{MAX_BATCH_BYTES, MAX_KEYS};

/// Concurrent operations. Each occupies a blocking thread, even after its call has been stopped.
const MAX_OPERATIONS: usize = 32;

/// The table of entries, open in a transaction.
type Values<'txn> = Table<'txn, EntryKey, &'static [u8]>;

/// A database file, opened for the first operation.
pub(super) struct FileBackend {
    database: Arc<FileDatabase>,
    permits: Arc<Semaphore>,
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
        Self {
            database: Arc::new(FileDatabase::new(path)),
            permits: Arc::new(Semaphore::new(MAX_OPERATIONS)),
        }
    }

    /// Runs an operation on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Database) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, KeyValueError> {
        let file = self.database.clone();
        let permit = self.permits.clone().acquire_owned().await;
        let result = spawn_blocking(move || {
            let _permit = permit;
            let database = file
                .open()
                .map_err(|error| KeyValueError::unavailable(&error))?;
            operation(&database).map_err(|error| match error {
                OperationError::Guest(error) => error,
                OperationError::Database(error) => {
                    KeyValueError::unavailable(&file.store_error(error))
                }
            })
        });
        match result.await {
            Ok(result) => result,
            Err(error) => Err(KeyValueError::unavailable(
                &self.database.store_error(error),
            )),
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
        let file = self.database.clone();
        spawn_blocking(move || file.open().map(drop))
            .await
            .unwrap_or_else(|error| Err(self.database.store_error(error)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn operations_of_stopped_calls_hold_their_permits_until_they_finish() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let backend = Arc::new(FileBackend::new(dir.path().join("kv.redb")));
        // Holding the lock simulates a disk that hangs.
        let file = backend.database.clone();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel();
        let hanging = std::thread::spawn(move || {
            let _locked = file.database.lock();
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
        assert_eq!(backend.permits.available_permits(), 0);
        drop(end);
        assert!(hanging.join().is_ok());
        assert!(backend.exists(&keyspace, "key".into()).await.is_ok());
    }
}
