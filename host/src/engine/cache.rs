//! On-disk cache of compiled components and of their definitions, in the directory that [`CacheDir`] guards.
//!
//! The file name holds the digest of the component and a hash of every engine setting that affects the code.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use wasmtime::component::Component;

use crate::cache::{COMPILED_EXTENSION, CacheDir, DEFINITIONS, RECORD_EXTENSION};

/// Size of the definitions of one component above which they are not kept.
const MAX_DEFINITIONS_BYTES: u64 = 8 << 20;

/// A directory of compiled components and their definitions.
pub(super) struct Cache {
    dir: CacheDir,
    engine: wasmtime::Engine,
    /// Hash of the engine's version and settings.
    engine_key: u64,
}

impl Cache {
    /// Opens the directory and creates it if it is missing. Its files may have `max_bytes` together.
    ///
    /// # Errors
    /// The directory cannot be created, belongs to another user, or can be written by another user.
    pub(super) fn open(dir: &Path, max_bytes: u64, engine: &wasmtime::Engine) -> io::Result<Self> {
        let dir = CacheDir::open(dir, max_bytes)?;
        let mut key = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut key);
        Ok(Self {
            dir,
            engine: engine.clone(),
            engine_key: key.finish(),
        })
    }

    /// Returns the compiled component, if the cache has it for this engine.
    pub(super) fn load(&self, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = match self.dir.open_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                CacheDir::remove_invalid(&path, &error);
                return None;
            }
        };
        match load_file(&self.engine, &opened_path(&file, &path)) {
            Ok(component) => {
                CacheDir::mark_used(&file);
                Some(component)
            }
            Err(error) => {
                CacheDir::remove_invalid(&path, &error);
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
        let file = match self.write(&path, compiled) {
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
        if let Err(error) = kept.and_then(|_| self.dir.evict_after(compiled.len() as u64)) {
            not_cached(error);
        }
        Ok(component)
    }

    /// Returns the definitions that were kept under this key.
    pub(super) fn load_definitions(&self, key: &str) -> Option<Vec<u8>> {
        self.dir
            .read(&self.definitions_path(key), MAX_DEFINITIONS_BYTES)
    }

    /// Keeps the definitions of a component, unless they are large. A failure is logged: they are only asked for again.
    pub(super) fn store_definitions(&self, key: &str, definitions: &[u8]) {
        if definitions.len() as u64 > MAX_DEFINITIONS_BYTES {
            return;
        }
        let path = self.definitions_path(key);
        let stored = self
            .write(&path, definitions)
            .and_then(|file| Ok(file.persist(&path)?))
            .and_then(|_| self.dir.evict_after(definitions.len() as u64));
        if let Err(error) = stored {
            tracing::warn!(cache.entry = %path.display(), %error, "definitions not cached");
        }
    }

    fn write(&self, path: &Path, compiled: &[u8]) -> io::Result<tempfile::NamedTempFile> {
        let mut file = self.dir.create_file(path)?;
        file.write_all(compiled)?;
        Ok(file)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let key = self.engine_key;
        let name = format!("{digest}-{key:016x}.{COMPILED_EXTENSION}");
        self.dir.root().join(name)
    }

    fn definitions_path(&self, key: &str) -> PathBuf {
        let engine_key = self.engine_key;
        let name = format!("{key}-{engine_key:016x}.{RECORD_EXTENSION}");
        self.dir.root().join(DEFINITIONS).join(name)
    }
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
    // SAFETY: the file must be compiled by wasmtime and must not change while it is mapped. `CacheDir::open_file` accepts
    // only a file and a directory that this user owns and nobody else can write. Entries are written to a temporary file
    // and renamed, never changed in place. wasmtime itself rejects another version or other settings.
    let component = unsafe { Component::deserialize_file(engine, path) }?;
    #[cfg(target_os = "linux")]
    release_pages(&component);
    Ok(component)
}

/// Gives back the pages of a mapped component that loading has read. The system may map the whole file for the first one;
/// a component that is not called needs none of them.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "advises the system on memory that wasmtime has mapped"
)]
fn release_pages(component: &Component) {
    use rustix::mm::{Advice, madvise};

    let image = component.image_range();
    let (start, len) = (image.start, image.end.addr() - image.start.addr());
    // SAFETY: the image is a mapping of a file, which nothing writes: wasmtime rejects images with relocations. The system
    // reads the same bytes again at the next access.
    let released = unsafe { madvise(start.cast_mut().cast(), len, Advice::LinuxDontNeed) };
    if let Err(error) = released {
        tracing::debug!(%error, "memory of a compiled component not released");
    }
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
