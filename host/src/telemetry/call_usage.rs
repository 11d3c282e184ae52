//! The resources that the guest of a call uses, counted while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::grant_uses::GrantUses;

/// Processor time, memory and grants of one call, in all its rounds.
#[derive(Debug, Default)]
pub struct CallUsage {
    cpu_nanoseconds: AtomicU64,
    peak_memory: AtomicU64,
    pub(super) grants: GrantUses,
}

impl CallUsage {
    /// Adds processor time.
    pub fn add_cpu(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanoseconds
            .fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts the linear memory of one round, in bytes.
    pub fn add_memory(&self, bytes: u64) {
        self.peak_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Returns the processor time.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanoseconds.load(Ordering::Relaxed))
    }

    /// Returns the largest linear memory of a round, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }
}
