//! On-disk cache of compiled components.
//!
//! A cache entry is machine code that the host runs unchecked. The host therefore uses an entry only if the file and its
//! directory belong to this user and nobody else can write them, which it checks each time. The file name holds the
//! digest of the component and a hash of every engine setting that affects the code.

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use rustix::fs::OFlags;
use wasmtime::component::Component;

/// Size of all entries above which the least recently used ones are evicted.
const MAX_CACHE_BYTES: u64 = 2 << 30;
/// Size of new entries after which old ones are evicted, and by which the cache may be too large.
const EVICTION_INTERVAL_BYTES: u64 = 32 << 20;
/// File extension of an entry.
const EXTENSION: &str = "cwasm";

/// A directory of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    engine: wasmtime::Engine,
    /// Hash of the engine's version and settings.
    engine_key: u64,
    /// Size of the entries stored since the last eviction. Starts at the interval, since a process may store only one.
    unevicted_bytes: AtomicU64,
}

impl Cache {
    /// Opens the directory and creates it if it is missing.
    ///
    /// # Errors
    /// The directory cannot be created, belongs to another user, or can be written by another user.
    pub(super) fn open(dir: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        check_owner(&std::fs::metadata(dir)?, "directory")?;
        let mut key = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut key);
        Ok(Self {
            dir: dir.to_owned(),
            engine: engine.clone(),
            engine_key: key.finish(),
            unevicted_bytes: AtomicU64::new(EVICTION_INTERVAL_BYTES),
        })
    }

    /// Returns the compiled component, if the cache has it for this engine.
    pub(super) fn load(&self, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = match self.open_entry(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.remove(&path, &error);
                return None;
            }
        };
        match load_file(&self.engine, &opened_path(&file, &path)) {
            Ok(component) => {
                // Eviction goes by the time of last use. A failure to record it is harmless.
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                self.remove(&path, &error);
                None
            }
        }
    }

    /// Stores a compiled component and loads it from its entry.
    ///
    /// If it cannot be stored, it is loaded all the same and the failure is logged: a full disk must not keep the
    /// component from loading.
    pub(super) fn store(&self, digest: &str, compiled: &[u8]) -> wasmtime::Result<Component> {
        let path = self.path(digest);
        let not_cached = |error| {
            tracing::warn!(cache.entry = %path.display(), %error, "compiled component not cached");
        };
        let file = match self.write(compiled) {
            Ok(file) => file,
            Err(error) => {
                not_cached(error);
                return load_bytes(&self.engine, compiled);
            }
        };
        let component = match load_file(&self.engine, &opened_path(file.as_file(), file.path())) {
            Ok(component) => component,
            Err(error) => {
                // Also fails if no code can be mapped from this file system (mount option `noexec`).
                let component = load_bytes(&self.engine, compiled)?;
                not_cached(io::Error::other(error));
                return Ok(component);
            }
        };
        let kept = file.persist(&path).map_err(|e| e.error);
        if let Err(error) = kept.and_then(|_| self.evict_after(compiled.len() as u64)) {
            not_cached(error);
        }
        Ok(component)
    }

    fn write(&self, compiled: &[u8]) -> io::Result<tempfile::NamedTempFile> {
        // The directory may have been opened to others since the last check.
        check_owner(&std::fs::metadata(&self.dir)?, "directory")?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(compiled)?;
        Ok(file)
    }

    /// Opens an entry and checks that only this user can have written it.
    fn open_entry(&self, path: &Path) -> io::Result<File> {
        // Without these flags, a link could lead elsewhere, and a pipe would block.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        check_owner(&std::fs::metadata(&self.dir)?, "directory")?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        check_owner(&metadata, "file")?;
        Ok(file)
    }

    fn remove(&self, path: &Path, error: &dyn std::fmt::Display) {
        tracing::warn!(cache.entry = %path.display(), %error, "invalid cache entry removed");
        // A failure is reported when the new entry cannot be stored in its place.
        let _ = std::fs::remove_file(path);
    }

    /// Evicts entries if enough has been stored since the last time: looking at every entry after each of thousands would
    /// take longer than compiling them.
    fn evict_after(&self, stored_bytes: u64) -> io::Result<()> {
        let pending = self.unevicted_bytes.fetch_add(stored_bytes, Relaxed) + stored_bytes;
        if pending < EVICTION_INTERVAL_BYTES {
            return Ok(());
        }
        self.unevicted_bytes.store(0, Relaxed);
        self.evict()
    }

    /// Removes the least recently used entries until the rest fits into [`MAX_CACHE_BYTES`].
    fn evict(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|e| e == EXTENSION) {
                let metadata = entry.metadata()?;
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in &entries {
            if total <= MAX_CACHE_BYTES {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir
            .join(format!("{digest}-{:016x}.{EXTENSION}", self.engine_key))
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

/// Returns a path that leads to the opened file itself, whatever lies at its own path by now. Systems without `/proc`
/// have only the latter.
fn opened_path(file: &File, path: &Path) -> PathBuf {
    let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    match opened.exists() {
        true => opened,
        false => path.to_owned(),
    }
}

/// Maps a compiled component.
#[allow(
    unsafe_code,
    reason = "maps compiled code; wasmtime offers no safe function for it"
)]
fn load_file(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be compiled by wasmtime and must not change while it is mapped. `Cache::open_entry` accepts
    // only a file and a directory that this user owns and nobody else can write. Entries are written to a temporary file
    // and renamed, never changed in place. wasmtime itself rejects another version or other settings.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Copies a compiled component into memory.
#[allow(
    unsafe_code,
    reason = "maps compiled code; wasmtime offers no safe function for it"
)]
pub(super) fn load_bytes(
    engine: &wasmtime::Engine,
    compiled: &[u8],
) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be compiled by wasmtime. They come from the compiler of this process, or from a process of
    // the same program that this process started.
    unsafe { Component::deserialize(engine, compiled) }
}
