//! Brings a running call's events to its client, as far as the client asked.

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::{Peer, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;

use super::convert;
use crate::component::Event;

/// Events that wait for a slow client before the guest waits too.
const QUEUE_EVENTS: usize = 16;

/// What one client asked to hear of one call.
pub(super) struct Relay {
    peer: Peer<RoleServer>,
    /// Its progress token.
    pub(super) progress: Option<ProgressToken>,
    /// The least important log level that it wants.
    pub(super) level: Option<LoggingLevel>,
}

impl Relay {
    pub(super) fn new(
        peer: Peer<RoleServer>,
        progress: Option<ProgressToken>,
        level: Option<LoggingLevel>,
    ) -> Self {
        Self {
            peer,
            progress,
            level,
        }
    }

    /// A queue for the call's events; `None` where the client wants none.
    pub(super) fn queue(&self) -> (Option<mpsc::Sender<Event>>, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
        let wanted = self.progress.is_some() || self.level.is_some();
        (wanted.then_some(sender), receiver)
    }

    /// Sends what comes out of the queue until the call has let go of it.
    pub(super) async fn run(&self, mut queue: mpsc::Receiver<Event>) {
        while let Some(event) = queue.recv().await {
            // A client that is gone cancels the call by itself.
            let _ = self.send(event).await;
        }
    }

    async fn send(&self, event: Event) -> Result<(), rmcp::ServiceError> {
        match (event, &self.progress, self.level) {
            (
                Event::Progress {
                    done,
                    total,
                    message,
                },
                Some(token),
                _,
            ) => {
                let mut progress = ProgressNotificationParam::new(token.clone(), done);
                progress.total = total;
                progress.message = message;
                self.peer.notify_progress(progress).await
            }
            (Event::Log { level, message }, _, Some(least)) => {
                let level = convert::level(level);
                if convert::severity(level) < convert::severity(least) {
                    return Ok(());
                }
                let line = LoggingMessageNotificationParam::new(level, Value::String(message));
                self.peer.notify_logging_message(line).await
            }
            _ => Ok(()),
        }
    }
}
