//! The cache directory: compiled components, their definitions, and fetched components, which together stay below a limit.
//!
//! The directory holds machine code that the host runs unchecked. A file is therefore used only if the file and its
//! directory belong to this user and nobody else can write them, which is checked each time. Processes share the
//! directory: files are written under a temporary name and renamed, never changed in place.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use tempfile::{Builder, NamedTempFile};

/// The directory of fetched components, below the cache directory. Each is named by its digest.
pub(crate) const COMPONENTS: &str = "components/sha256";
/// The directory of the records about references, below the cache directory.
pub(crate) const RECORDS: &str = "components/references";
/// The directory of the definitions of compiled components, below the cache directory.
pub(crate) const DEFINITIONS: &str = "definitions";
/// File extension of a compiled component.
pub(crate) const COMPILED_EXTENSION: &str = "cwasm";
/// File extension of a record, and of definitions.
pub(crate) const RECORD_EXTENSION: &str = "json";

/// Size of new files after which old ones are evicted, and by which the cache may be too large.
const EVICTION_INTERVAL_BYTES: u64 = 32 << 20;
/// Time after its last use in which a file is not evicted: a component that was just fetched is about to be loaded.
const MIN_UNUSED: Duration = Duration::from_secs(10 * 60);
/// Age from which a temporary file is removed. Its process was killed: no transfer lasts as long.
const MAX_TEMPORARY_AGE: Duration = Duration::from_secs(24 * 3600);
/// Beginning of the names of temporary files.
const TEMPORARY_PREFIX: &str = ".toolcrib-";

/// The cache directory.
pub(crate) struct CacheDir {
    root: PathBuf,
    max_bytes: u64,
    /// Size of the files stored since the last eviction. Starts at the interval, since a process may store only one.
    unevicted_bytes: AtomicU64,
}

impl CacheDir {
    /// Opens the directory and creates it if it is missing. Its files may have `max_bytes` together.
    ///
    /// # Errors
    /// The directory cannot be created, belongs to another user, or can be written by another user.
    pub(crate) fn open(root: &Path, max_bytes: u64) -> io::Result<Self> {
        create_dir(root)?;
        Ok(Self {
            root: root.to_owned(),
            max_bytes,
            unevicted_bytes: AtomicU64::new(EVICTION_INTERVAL_BYTES),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a file below the directory. Checks that only this user can have written it.
    ///
    /// # Errors
    /// It does not exist, or another user may have written it.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<File> {
        // Without these flags, a link could lead elsewhere, and a pipe would block.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        check_owner(&std::fs::metadata(parent(path))?, "directory")?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        check_owner(&metadata, "file")?;
        Ok(file)
    }

    /// Creates a temporary file in the directory of `path`, to be renamed to `path`. It is removed if it is dropped.
    ///
    /// # Errors
    /// The directory cannot be created or written, or another user can write it.
    pub(crate) fn create_file(&self, path: &Path) -> io::Result<NamedTempFile> {
        let dir = parent(path);
        if dir != self.root {
            create_dir(dir)?;
        }
        // The directory may have been opened to others since the last check.
        check_owner(&std::fs::metadata(dir)?, "directory")?;
        Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(dir)
    }

    /// Returns the first `max_bytes` of a file below the directory; `None` if it does not exist. One that cannot be used is
    /// removed.
    pub(crate) fn read(&self, path: &Path, max_bytes: u64) -> Option<Vec<u8>> {
        let read = self.open_file(path).and_then(|file| {
            Self::mark_used(&file);
            let mut bytes = Vec::new();
            file.take(max_bytes).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    Self::remove_invalid(path, &error);
                }
                None
            }
        }
    }

    /// Writes a file below the directory, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written, or another user can write the directory.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create_file(path)?;
        file.write_all(bytes)?;
        // Before the name is given: a crash must not leave the name with other bytes.
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Records that a file was used: eviction goes by the time of last use. A failure to record it is harmless.
    pub(crate) fn mark_used(file: &File) {
        let _ = file.set_modified(SystemTime::now());
    }

    /// Logs that a file cannot be used, and removes it.
    pub(crate) fn remove_invalid(path: &Path, error: &dyn std::fmt::Display) {
        tracing::warn!(cache.entry = %path.display(), %error, "invalid cache entry removed");
        // A failure is reported when the new entry cannot be stored in its place.
        let _ = std::fs::remove_file(path);
    }

    /// Evicts files if enough has been stored since the last time: looking at every file after each of thousands would
    /// take longer than compiling them.
    ///
    /// # Errors
    /// A directory cannot be read or a file cannot be removed.
    pub(crate) fn evict_after(&self, stored_bytes: u64) -> io::Result<()> {
        let pending = self.unevicted_bytes.fetch_add(stored_bytes, Relaxed) + stored_bytes;
        if pending < EVICTION_INTERVAL_BYTES {
            return Ok(());
        }
        self.unevicted_bytes.store(0, Relaxed);
        self.evict()
    }

    /// Removes the least recently used files until the rest fits, and abandoned temporary files.
    fn evict(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for dir in ["", COMPONENTS, RECORDS, DEFINITIONS] {
            let Ok(found) = std::fs::read_dir(self.root.join(dir)) else {
                continue;
            };
            for entry in found {
                let entry = entry?;
                // Another process may have removed it.
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let (path, used) = (entry.path(), metadata.modified()?);
                let age = now.duration_since(used).unwrap_or_default();
                let name = entry.file_name();
                if name.to_string_lossy().starts_with(TEMPORARY_PREFIX) {
                    if age > MAX_TEMPORARY_AGE {
                        remove(&path)?;
                    }
                } else if metadata.is_file() && is_own(dir, &path) {
                    entries.push((used, age, metadata.len(), path));
                }
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, _, bytes, _)| bytes).sum();
        for (_, age, bytes, path) in &entries {
            if total <= self.max_bytes || *age < MIN_UNUSED {
                break;
            }
            remove(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

/// Checks that a file or directory belongs to this user and that nobody else can write it.
fn check_owner(metadata: &Metadata, what: &str) -> io::Result<()> {
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "the {what} must belong to the user who runs the host and be writable by nobody else \
             (chmod go-w)"
        )));
    }
    Ok(())
}

fn create_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    check_owner(&std::fs::metadata(dir)?, "directory")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Returns whether the cache has written a file in `dir`. The operator may have named a directory with other files.
fn is_own(dir: &str, path: &Path) -> bool {
    let has_extension = |wanted| path.extension().is_some_and(|found| found == wanted);
    match dir {
        COMPONENTS => path.extension().is_none(),
        RECORDS | DEFINITIONS => has_extension(RECORD_EXTENSION),
        _ => has_extension(COMPILED_EXTENSION),
    }
}

/// Removes a file that another process may remove too.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_files_of_all_kinds_are_evicted() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = CacheDir::open(dir.path(), 250).expect("opened");
        let write = |path: &str, hours: u64| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(parent(&path)).expect("created");
            std::fs::write(&path, [0; 100]).expect("written");
            let used = SystemTime::now() - Duration::from_secs(hours * 3600);
            let file = File::options().write(true).open(&path).expect("opened");
            file.set_modified(used).expect("set");
        };
        // Name, hours since the last use, whether it is kept.
        let files = [
            ("a.cwasm", 5, false),
            ("components/sha256/b", 4, false),
            ("components/references/c.json", 3, true),
            ("definitions/d.json", 6, false),
            ("d.cwasm", 2, true),
            ("other.txt", 9, true),
            ("components/other", 9, true),
            ("definitions/other", 9, true),
            (".toolcrib-old", 25, false),
            (".toolcrib-new", 23, true),
            ("components/sha256/.toolcrib-old", 25, false),
        ];
        for (path, hours, _) in files {
            write(path, hours);
        }
        cache.evict_after(1).expect("evicted");
        for (path, _, is_kept) in files {
            assert_eq!(dir.path().join(path).exists(), is_kept, "{path}");
        }
        // Too many, but all of them in use.
        for path in ["e.cwasm", "f.cwasm", "g.cwasm"] {
            write(path, 0);
        }
        cache.evict().expect("evicted");
        let is_kept =
            ["d.cwasm", "e.cwasm", "f.cwasm", "g.cwasm"].map(|p| dir.path().join(p).exists());
        assert_eq!(is_kept, [false, true, true, true]);
    }
}
