//! The requests over standard input that have not been answered. A shutdown waits for them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId};
use rmcp::service::TxJsonRpcMessage;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The unanswered requests of the client.
#[derive(Default)]
pub(super) struct Requests {
    ids: Mutex<HashSet<RequestId>>,
    count: watch::Sender<usize>,
    /// Cancelled when further requests are refused.
    pub(super) is_stopping: CancellationToken,
    /// Cancelled when nothing more is read.
    pub(super) has_ended: CancellationToken,
}

impl Requests {
    /// Records a message of the client: a request, or the end of one, which has no answer if it is cancelled.
    pub(super) fn received(&self, message: &ClientJsonRpcMessage) {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                let mut ids = self.ids();
                ids.insert(request.id.clone());
                self.count.send_replace(ids.len());
            }
            ClientJsonRpcMessage::Notification(message) => {
                if let ClientNotification::CancelledNotification(cancelled) = &message.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.ended(id);
                }
            }
            ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {}
        }
    }

    pub(super) fn ended(&self, id: &RequestId) {
        let mut ids = self.ids();
        ids.remove(id);
        self.count.send_replace(ids.len());
    }

    /// Resolves when every request has ended.
    pub(super) async fn all_ended(&self) {
        // Fails only if the sender is gone.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the id of the request that a message answers.
pub(super) fn answered_id(message: &TxJsonRpcMessage<RoleServer>) -> Option<RequestId> {
    match message {
        TxJsonRpcMessage::<RoleServer>::Response(response) => Some(response.id.clone()),
        TxJsonRpcMessage::<RoleServer>::Error(error) => error.id.clone(),
        _ => None,
    }
}
