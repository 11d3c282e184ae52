//! The limit on the bytes of all streams and futures of one result, which are read after the function has returned.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

pub(super) struct ValueLimit {
    bytes_left: AtomicUsize,
    is_exceeded: AtomicBool,
}

impl ValueLimit {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            bytes_left: AtomicUsize::new(max_bytes),
            is_exceeded: AtomicBool::new(false),
        }
    }

    /// Counts bytes that have been read. Returns `false` if they are over the limit.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = |left: usize| left.checked_sub(bytes);
        let is_within = self.bytes_left.fetch_update(Relaxed, Relaxed, left).is_ok();
        if !is_within {
            self.is_exceeded.store(true, Relaxed);
        }
        is_within
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Relaxed)
    }
}
