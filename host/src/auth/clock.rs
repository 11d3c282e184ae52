//! A clock that is passed in, so that tests advance it instead of sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The system's wall clock and monotonic clock, plus an offset that tests advance. Clones share the offset.
///
/// Token times are compared with the wall clock. Caches use the monotonic clock, so that changing the system time
/// neither extends nor shortens the life of a cached key.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_millis: Arc<AtomicU64>,
}

impl Clock {
    /// Advances both clocks.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.offset_millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Returns the wall-clock time in seconds since the Unix epoch.
    pub(super) fn wall_seconds(&self) -> u64 {
        (SystemTime::now() + self.offset())
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    /// Returns the monotonic time.
    pub(super) fn monotonic(&self) -> Instant {
        Instant::now() + self.offset()
    }

    fn offset(&self) -> Duration {
        Duration::from_millis(self.offset_millis.load(Ordering::Relaxed))
    }
}
