//! Compiled components on disk.
//!
//! A compiled component is machine code that the host will run unchecked. It is
//! therefore only read from a directory that belongs to this user and that
//! nobody else can write, and its name carries the digest of the component and
//! everything of the engine that shapes the code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasmtime::component::Component;

/// The cache's bound on disk; the entries used longest ago go first.
const MAX_BYTES: u64 = 2 << 30;
const SUFFIX: &str = "cwasm";

/// A directory of compiled components.
pub(super) struct Cache {
    dir: PathBuf,
    engine: wasmtime::Engine,
    engine_key: u64,
}

impl Cache {
    /// Opens the directory, making it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or others could write to it.
    pub(super) fn open(dir: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let found = std::fs::metadata(dir)?;
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
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

    /// The compiled component, when it is there and fits this engine.
    pub(super) fn load(&self, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = std::fs::File::open(&path).ok()?;
        match deserialize(&self.engine, &path) {
            Ok(component) => {
                // The time of last use orders the eviction; losing it is harmless.
                let _ = file.set_modified(SystemTime::now());
                Some(component)
            }
            Err(error) => {
                tracing::warn!(cache.entry = %path.display(), %error, "cache entry dropped");
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps a compiled component. A full disk costs the cache, not the start.
    pub(super) fn store(&self, digest: &str, component: &Component) {
        let path = self.path(digest);
        let written = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| {
                let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
                file.write_all(&code)?;
                file.persist(&path).map_err(|e| e.error)?;
                self.evict()
            });
        if let Err(error) = written {
            tracing::warn!(cache.entry = %path.display(), %error, "compiled component not cached");
        }
    }

    fn evict(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|e| e == SUFFIX) {
                let found = entry.metadata()?;
                entries.push((found.modified()?, found.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in &entries {
            if total <= MAX_BYTES {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir
            .join(format!("{digest}-{:016x}.{SUFFIX}", self.engine_key))
    }
}

#[allow(unsafe_code)] // The one call that maps compiled code; wasmtime has no safe form of it.
fn deserialize(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be what `Component::serialize` wrote and must not be
    // changed while it is mapped. `Cache::open` accepts only a directory that this
    // user owns and nobody else can write; entries in it are written to a
    // temporary file and renamed, never changed in place. wasmtime itself checks
    // that version and settings fit.
    unsafe { Component::deserialize_file(engine, path) }
}
