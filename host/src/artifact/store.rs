//! The store of fetched components, by digest, in the cache directory. Without one, it is a temporary directory.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::body::{Body, digest_text};
use super::error::FetchError;
use crate::cache::{COMPONENTS, CacheDir};

/// The store of fetched components.
pub(super) struct Store {
    pub(super) dir: CacheDir,
    /// Whether there is a cache directory. If not, nothing outlives the process.
    _temporary: Option<TempDir>,
}

impl Store {
    /// Opens the store in the cache directory, whose files may have `max_bytes` together.
    ///
    /// # Errors
    /// The directory cannot be created or may be written by others, and no temporary directory can be created either.
    pub(super) fn open(dir: Option<&Path>, max_bytes: u64) -> Result<Self, FetchError> {
        if let Some(dir) = dir {
            match CacheDir::open(dir, max_bytes) {
                Ok(dir) => {
                    return Ok(Self {
                        dir,
                        _temporary: None,
                    });
                }
                Err(error) => tracing::warn!(
                    cache.dir = %dir.display(), %error,
                    "fetched components are not cached"
                ),
            }
        }
        let unusable = |source| FetchError::Store {
            dir: std::env::temp_dir().display().to_string(),
            source,
        };
        let temporary = tempfile::tempdir().map_err(unusable)?;
        Ok(Self {
            dir: CacheDir::open(temporary.path(), u64::MAX).map_err(unusable)?,
            _temporary: Some(temporary),
        })
    }

    /// Returns the file of the component with this digest, if the store has it. Its bytes are verified; a file with
    /// other bytes is removed.
    pub(super) async fn find(&self, digest: &str) -> Option<PathBuf> {
        let path = self.path(digest);
        let opened = self.dir.open_file(&path);
        let digest = digest.to_owned();
        let verify = move || {
            let verified = opened.and_then(|mut file| {
                match digest_of(&mut file)? == digest {
                    true => CacheDir::mark_used(&file),
                    false => return Err(io::Error::other("its bytes have another digest")),
                }
                Ok(())
            });
            match verified {
                Ok(()) => Some(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    CacheDir::remove_invalid(&path, &error);
                    None
                }
            }
        };
        // Fails only by a panic, which has been logged.
        tokio::task::spawn_blocking(verify).await.ok().flatten()
    }

    /// Writes a body to the store while it arrives. Returns the file and the digest of its bytes. Cancel-safe: nothing is
    /// kept of an incomplete body.
    ///
    /// # Errors
    /// The body cannot be read or written, or `check` rejects it at its end.
    pub(super) async fn keep(
        &self,
        mut body: Body,
        check: impl FnOnce(&Body) -> Result<(), FetchError>,
    ) -> Result<(PathBuf, String), FetchError> {
        let unusable = |source: io::Error| FetchError::Store {
            dir: self.dir.root().display().to_string(),
            source,
        };
        // The name is known at the end only; the directory is the same.
        let temporary = self.dir.create_file(&self.path("sha256:new"));
        let temporary = temporary.map_err(unusable)?;
        let file = temporary.as_file().try_clone().map_err(unusable)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut size_bytes = 0;
        while let Some(chunk) = body.chunk().await? {
            size_bytes += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(unusable)?;
        }
        check(&body)?;
        let digest = body.digest();
        file.flush().await.map_err(unusable)?;
        // Before the name is given: a crash must not leave the name with other bytes.
        file.sync_all().await.map_err(unusable)?;
        let path = self.path(&digest);
        let persisted = temporary.persist(&path);
        persisted.map_err(|error| unusable(error.error))?;
        if let Err(error) = self.dir.evict_after(size_bytes) {
            tracing::warn!(cache.dir = %self.dir.root().display(), %error, "cache eviction failed");
        }
        Ok((path, digest))
    }

    fn path(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.dir.root().join(COMPONENTS).join(hex)
    }
}

fn digest_of(file: &mut std::fs::File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digest_text(hasher)),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
