//! Whether a file is still what was read of it, without reading it again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a file was when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    pub(super) size_bytes: u64,
    /// Seconds and nanoseconds of the last change of any kind. Only the kernel sets
    /// it, while copies often bring along the time of the last modification.
    changed: (i64, i64),
}

impl Fingerprint {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// How long ago the file was changed; `None` where its file system has another
    /// clock and says that this is yet to come.
    pub fn age(&self) -> Option<Duration> {
        let (secs, nanos) = self.changed;
        let since_epoch = Duration::new(secs.try_into().ok()?, nanos.try_into().ok()?);
        let changed = UNIX_EPOCH.checked_add(since_epoch)?;
        SystemTime::now().duration_since(changed).ok()
    }
}
