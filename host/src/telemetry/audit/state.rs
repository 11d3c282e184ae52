//! The state that requests share with the thread of the audit.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// The state that requests share with the thread.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queued: AtomicUsize,
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
    /// Whether the last attempt to write has failed.
    pub(super) is_failing: AtomicBool,
}
