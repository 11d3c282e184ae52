//! Relays the events of a running call to its client or to its task.

use rmcp::model::{
    LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParam,
    ProgressNotification, ProgressNotificationParam, ProgressToken, ServerNotification,
};
use rmcp::{Peer, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;

use super::convert;
use super::revision::Revision;
use super::task_handle::TaskHandle;
use crate::component::Event;

/// The receiver of a call's events.
pub(super) enum Listener {
    /// The client that waits for the result.
    Client(Relay),
    /// The task that the call has become; its status shows the last progress message.
    Task(TaskHandle),
    Nobody,
}

/// The way to the client of a request.
pub(super) enum Notifier {
    /// The lasting connection of the client.
    Connection(Peer<RoleServer>),
    /// The response to the request.
    Response(NotificationSender),
}

/// Sends notifications before the result of a request, in its response.
pub type NotificationSender = mpsc::Sender<Box<ServerNotification>>;

/// The notifications that a client asked for.
pub(super) struct Relay {
    pub(super) notifier: Notifier,
    /// The progress token of the request; `None` if the client wants no progress.
    pub(super) progress: Option<ProgressToken>,
    /// The lowest log level that the client wants; `None` if it wants no log messages.
    pub(super) level: Option<LoggingLevel>,
    /// The protocol revision of the request.
    pub(super) revision: Revision,
}

impl Listener {
    /// Passes on the events of a call until the call drops its sender. Keeps the last progress message in
    /// `last_message`, for a listener that takes over.
    pub(super) async fn relay_all(
        &self,
        events: &mut mpsc::Receiver<Event>,
        last_message: &mut Option<String>,
    ) {
        self.show(last_message);
        while let Some(event) = events.recv().await {
            if let Event::Progress {
                message: Some(message),
                ..
            } = &event
            {
                *last_message = Some(message.clone());
                self.show(last_message);
            }
            if let Self::Client(relay) = self {
                relay.send(event).await;
            }
        }
    }

    /// Returns whether anybody wants the events.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Client(relay) => relay.progress.is_some() || relay.level.is_some(),
            Self::Task(_) => true,
            Self::Nobody => false,
        }
    }

    fn show(&self, message: &Option<String>) {
        if let (Self::Task(task), Some(message)) = (self, message) {
            task.set_status_message(message.clone());
        }
    }
}

impl Relay {
    /// Sends an event, if the client asked for events of its kind. Nothing is sent to a client that has disconnected,
    /// which cancels the call too.
    async fn send(&self, event: Event) {
        let notification = match (event, &self.progress, self.level) {
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
                progress.message = message.filter(|_| self.revision >= Revision::March2025);
                ServerNotification::from(ProgressNotification::new(progress))
            }
            (Event::Log { level, message }, _, Some(lowest)) => {
                let level = convert::level(level);
                if convert::severity(level) < convert::severity(lowest) {
                    return;
                }
                let line = LoggingMessageNotificationParam::new(level, Value::String(message));
                LoggingMessageNotification::new(line).into()
            }
            _ => return,
        };
        match &self.notifier {
            Notifier::Connection(peer) => {
                let _ = peer.send_notification(notification).await;
            }
            Notifier::Response(response) => {
                let _ = response.send(Box::new(notification)).await;
            }
        }
    }
}
