//! Brings a running call's events to who listens: its client, as far as the
//! client asked, or the task that the call has become.

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::task_manager::TaskContext;
use rmcp::{Peer, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;

use super::convert;
use crate::component::Event;

/// Who hears of a call's events.
pub(super) enum Listener {
    /// The client that waits for the result.
    Client(Relay),
    /// A task, which clients ask for its status.
    Task(TaskContext),
    Nobody,
}

/// What one client asked to hear of one call.
pub(super) struct Relay {
    pub(super) peer: Peer<RoleServer>,
    /// Its progress token.
    pub(super) progress: Option<ProgressToken>,
    /// The least important log level that it wants.
    pub(super) level: Option<LoggingLevel>,
}

impl Listener {
    /// Passes on what comes out of the queue until the call has let go of it.
    /// `reported` is the last message of its progress, also for who listens later.
    pub(super) async fn hear_all(
        &self,
        queue: &mut mpsc::Receiver<Event>,
        reported: &mut Option<String>,
    ) {
        self.show(reported);
        while let Some(event) = queue.recv().await {
            if let Event::Progress {
                message: Some(message),
                ..
            } = &event
            {
                *reported = Some(message.clone());
                self.show(reported);
            }
            // A client that is gone cancels the call by itself.
            if let Self::Client(relay) = self {
                let _ = relay.send(event).await;
            }
        }
    }

    fn show(&self, reported: &Option<String>) {
        if let (Self::Task(task), Some(message)) = (self, reported) {
            task.set_status_message(message.clone());
        }
    }
}

impl Relay {
    /// Whether the client wants to hear anything.
    pub(super) fn is_wanted(&self) -> bool {
        self.progress.is_some() || self.level.is_some()
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
