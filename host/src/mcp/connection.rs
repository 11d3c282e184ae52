//! The state of a lasting connection: a session of the older revisions, or standard input and output.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::LoggingLevel;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::input_required::MAX_WAITING_CALLS;
use super::subscriptions::ResourceSubscriptions;

/// The state of one connection. Dropping it cancels the background work of the connection.
pub(super) struct Connection {
    level: Mutex<LoggingLevel>,
    /// Permits for calls that wait for the client's responses.
    pub(super) waiting: Arc<Semaphore>,
    /// The resources that the client has subscribed to.
    pub(super) subscribed: Arc<ResourceSubscriptions>,
    /// Cancelled when the connection ends.
    pub(super) ended: CancellationToken,
    /// Whether a background task notifies the client.
    is_notified: AtomicBool,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            level: Mutex::new(LoggingLevel::Info),
            waiting: Arc::new(Semaphore::new(MAX_WAITING_CALLS)),
            subscribed: Arc::default(),
            ended: CancellationToken::new(),
            is_notified: AtomicBool::new(false),
        }
    }

    /// Returns the lowest log level that the client wants to receive.
    pub(super) fn level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the lowest log level that the client wants to receive.
    pub(super) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Returns whether the caller must start notifying the client: `true` once, because a client may report more than
    /// once that it is initialized.
    pub(super) fn start_notifying(&self) -> bool {
        !self.is_notified.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}
