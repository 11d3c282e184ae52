//! The time, passed in: a test moves it instead of sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The system's clocks, and how far a test has moved them ahead. Clones share that distance.
///
/// Tokens are judged by the wall clock; what is cached is timed by the monotonic one, so that setting the machine's time
/// neither keeps a key nor drops it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_millis: Arc<AtomicU64>,
}

impl Clock {
    /// Moves both clocks ahead.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Seconds since the epoch.
    pub(super) fn wall_seconds(&self) -> u64 {
        (SystemTime::now() + self.ahead())
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    pub(super) fn monotonic(&self) -> Instant {
        Instant::now() + self.ahead()
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_millis.load(Ordering::Relaxed))
    }
}
