//! The requests of a session that have no response yet.
//!
//! `rmcp` finds the stream of a response by the id of its request. A request with an id in use would take over the stream
//! of the other one, which would then wait, and take memory, until the session ends.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    RequestId,
};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};
use tokio::runtime::Handle;

/// Requests of one session without a response, including those whose client has disconnected.
const MAX_UNANSWERED: usize = 1_024;

/// The unanswered requests of one session. Clones share them.
#[derive(Clone, Default)]
pub(super) struct SessionRequests(Arc<State>);

#[derive(Default)]
struct State {
    keys: RandomState,
    /// Hashes of the ids, which may be long.
    unanswered: Mutex<HashSet<u64>>,
}

/// One request without a response. Its id stays in use until [`Self::answered`]: a request whose client has disconnected
/// may still run, and its response may be fetched later.
#[derive(Clone)]
pub(super) struct UnansweredRequest {
    session: SessionRequests,
    hash: u64,
}

/// The reason for which a request is not passed to its session. `Display` is one sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotStarted {
    #[error("a request with this id has no response yet; use each id once in a session")]
    IdInUse,
    #[error("{MAX_UNANSWERED} requests of this session have no response; open another session")]
    TooMany,
}

impl SessionRequests {
    /// Records a request.
    ///
    /// # Errors
    /// Its id is in use, or there are too many requests.
    pub(super) fn start(&self, id: &RequestId) -> Result<UnansweredRequest, NotStarted> {
        let hash = self.0.keys.hash_one(id);
        let mut unanswered = self.lock();
        if unanswered.contains(&hash) {
            return Err(NotStarted::IdInUse);
        }
        if unanswered.len() >= MAX_UNANSWERED {
            return Err(NotStarted::TooMany);
        }
        unanswered.insert(hash);
        drop(unanswered);
        Ok(UnansweredRequest {
            session: self.clone(),
            hash,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        let unanswered = self.0.unanswered.lock();
        unanswered.unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnansweredRequest {
    /// Frees the id of the request.
    pub(super) fn answered(&self) {
        self.session.lock().remove(&self.hash);
    }
}

/// Cancels a request whose client disconnects before it has the response. Without an event stream, the client cannot
/// fetch the response later.
pub(super) struct CancelOnDrop {
    manager: Arc<LocalSessionManager>,
    session_id: SessionId,
    /// `None` after the response.
    request: Option<(RequestId, UnansweredRequest)>,
}

impl CancelOnDrop {
    pub(super) fn new(
        manager: Arc<LocalSessionManager>,
        session_id: SessionId,
        id: RequestId,
        request: UnansweredRequest,
    ) -> Self {
        Self {
            manager,
            session_id,
            request: Some((id, request)),
        }
    }

    /// The request has its response.
    pub(super) fn disarm(mut self) {
        self.request = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((id, request)) = self.request.take() else {
            return;
        };
        // Absent while the runtime shuts down, which stops the calls too.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (manager, session_id) = (self.manager.clone(), self.session_id.clone());
        runtime.spawn(async move {
            let params = CancelledNotificationParam::new(Some(id), None);
            let cancelled = CancelledNotification::new(params);
            let cancelled = ClientNotification::CancelledNotification(cancelled);
            let message = ClientJsonRpcMessage::notification(cancelled);
            if let Err(error) = manager.accept_message(&session_id, message).await {
                tracing::debug!(%error, "request of a client that has disconnected not cancelled");
            }
            request.answered();
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_after_the_response() {
        let session = SessionRequests::default();
        let number = RequestId::Number(1);
        let first = session.start(&number).unwrap();
        let again = session.start(&number).err();
        assert_eq!(again, Some(NotStarted::IdInUse));
        // A text is another id.
        let text = session.start(&RequestId::String("1".into())).unwrap();
        first.answered();
        // A client that has disconnected leaves its request unanswered.
        drop(session.start(&number).unwrap());
        assert_eq!(session.start(&number).err(), Some(NotStarted::IdInUse));
        text.answered();
        let others = 2..;
        let started = others
            .map(|id| session.start(&RequestId::Number(id)))
            .take_while(Result::is_ok);
        assert_eq!(started.count(), MAX_UNANSWERED - 1);
        let further = session.start(&RequestId::Number(-1)).err();
        assert_eq!(further, Some(NotStarted::TooMany));
    }
}
