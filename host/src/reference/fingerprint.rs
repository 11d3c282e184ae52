//! Detects whether a file has changed without reading it again.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Identity, size and time of change of a file when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    pub(super) size_bytes: u64,
    /// `ctime` in seconds and nanoseconds. Only the kernel sets it, while a copy often preserves `mtime`.
    changed_at: (i64, i64),
}

impl Fingerprint {
    /// Returns the fingerprint of the file at a path.
    ///
    /// # Errors
    /// There is no file, or it cannot be reached.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::metadata(path)?))
    }

    /// Returns the fingerprint of the file with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns the time since the last change; `None` if the clock of the file system is ahead and the change lies in
    /// the future.
    pub fn age(&self) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed_at;
        let since_epoch = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        let changed_at = UNIX_EPOCH.checked_add(since_epoch)?;
        SystemTime::now().duration_since(changed_at).ok()
    }
}
