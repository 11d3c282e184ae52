//! On-disk cache of compiled components.
//!
//! A cache entry is machine code that the host runs unchecked. Entries are therefore read only from a directory that
//! belongs to this user and that nobody else can write. The file name holds the digest of the component and a hash of
//! every engine setting that affects the code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasmtime::component::Component;

/// Size of all entries above which the least recently used ones are evicted.
const MAX_CACHE_BYTES: u64 = 2 << 30;
/// File extension of an entry.
const EXTENSION: &str = "cwasm";

/// A directory of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    engine: wasmtime::Engine,
    /// Hash of the engine's version and settings.
    engine_key: u64,
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
        let metadata = std::fs::metadata(dir)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(
                "the directory must belong to the user who runs the host and be writable by \
                 nobody else (chmod 700)",
            ));
        }
        let mut key = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut key);
        Ok(Self {
            dir: dir.to_owned(),
            engine: engine.clone(),
            engine_key: key.finish(),
        })
    }

    /// Returns the compiled component, if the cache has it for this engine.
    pub(super) fn load(&self, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = std::fs::File::open(&path).ok()?;
        match deserialize(&self.engine, &path) {
            Ok(component) => {
                // Eviction goes by the time of last use. A failure to record it is harmless.
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                tracing::warn!(cache.entry = %path.display(), %error, "invalid cache entry removed");
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Stores a compiled component. Failures are logged: a full disk must not keep the component from loading.
    pub(super) fn store(&self, digest: &str, component: &Component) {
        let path = self.path(digest);
        if let Err(error) = self.write(&path, component) {
            tracing::warn!(cache.entry = %path.display(), %error, "compiled component not cached");
        }
    }

    fn write(&self, path: &Path, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&code)?;
        file.persist(path).map_err(|e| e.error)?;
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

#[allow(unsafe_code, reason = "maps compiled code; wasmtime offers no safe function for it")]
fn deserialize(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be the output of `Component::serialize` and must not change while it is mapped.
    // `Cache::open` accepts only a directory that this user owns and nobody else can write. Entries are written to a
    // temporary file and renamed, never changed in place. wasmtime itself rejects another version or other settings.
    unsafe { Component::deserialize_file(engine, path) }
}
