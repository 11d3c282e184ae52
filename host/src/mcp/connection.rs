//! What a client has set for a connection that lasts: a session of the older
//! revisions, or standard input and output.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::LoggingLevel;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::input_required::MAX_WAITING;
use super::subscriptions::Followed;

/// One connection. Its end is that of what goes on for it.
pub(super) struct Connection {
    level: Mutex<LoggingLevel>,
    /// Places for calls that wait for its client's answers.
    pub(super) waiting: Arc<Semaphore>,
    pub(super) followed: Arc<Followed>,
    pub(super) ended: CancellationToken,
    is_notified: AtomicBool,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            level: Mutex::new(LoggingLevel::Info),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            followed: Arc::default(),
            ended: CancellationToken::new(),
            is_notified: AtomicBool::new(false),
        }
    }

    /// The least important level of what its client wants to read.
    pub(super) fn level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Whether nobody notifies its client yet; whoever asks does it from now on. A
    /// client may say more than once that it is ready.
    pub(super) fn begins_notifying(&self) -> bool {
        !self.is_notified.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}
