//! The redb database of the file backend: its file and its tables.

use std::fmt::Display;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, TableDefinition};

use super::error::StoreError;

/// The keyspace's path, the position in listings and the key of an entry.
pub(super) type EntryKey = (&'static str, u64, &'static str);

/// The values of all entries.
pub(super) const VALUES: TableDefinition<'_, EntryKey, &[u8]> = TableDefinition::new("values");
/// The bytes that each component uses.
pub(super) const USAGE: TableDefinition<'_, &str, u64> = TableDefinition::new("used");
/// Size of the database's page cache.
const CACHE_BYTES: usize = 16 << 20;

/// A database file, opened on first use.
pub(super) struct FileDatabase {
    path: PathBuf,
    /// Visible to the tests of the backend.
    pub(super) database: Mutex<Option<Arc<Database>>>,
}

impl FileDatabase {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            database: Mutex::default(),
        }
    }

    /// Returns the database; opens it on the first call.
    pub(super) fn open(&self) -> Result<Arc<Database>, StoreError> {
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
        let database = FileBackend::new(file)
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

    pub(super) fn store_error(&self, reason: impl Display) -> StoreError {
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
