//! The owner of each session, and its requests that have no response yet.
//!
//! `rmcp` keeps the state of a session but not its owner. Here a session belongs to the caller that opened it (issuer,
//! subject and client; not the token, which changes). The id of another caller's session is answered like an unknown
//! id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

use super::session_requests::SessionRequests;

/// Sessions open at the same time.
const MAX_SESSIONS: usize = 1_024;
/// Open sessions of one caller.
const MAX_SESSIONS_PER_CALLER: usize = 64;

/// The open sessions by their id.
pub(super) struct SessionOwners {
    manager: Arc<LocalSessionManager>,
    sessions: Mutex<HashMap<String, Arc<OwnedSession>>>,
    /// Held while a session is opened, so that concurrent openings cannot exceed the limits.
    opening: tokio::sync::Mutex<()>,
}

/// An open session.
pub(super) struct OwnedSession {
    /// The key of the owner.
    pub(super) owner: String,
    /// The protocol version of the handshake.
    pub(super) version: ProtocolVersion,
    pub(super) requests: SessionRequests,
    /// Cancels the calls of the session.
    pub(super) ended: CancellationToken,
}

impl OwnedSession {
    /// Returns whether event streams begin with an event that has no message. Clients of the revisions before 2025-11-25
    /// report one as malformed.
    pub(super) fn has_priming_events(&self) -> bool {
        self.version.as_str() >= ProtocolVersion::V_2025_11_25.as_str()
    }
}

/// The limit that prevents another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooManySessions {
    #[error("you have {MAX_SESSIONS_PER_CALLER} sessions open; end one with DELETE")]
    OfCaller,
    #[error("the server has no place for another session")]
    OfServer,
}

impl SessionOwners {
    pub(super) fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self {
            manager,
            sessions: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the number of sessions, those included that have ended since the last one was opened.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Returns a session if it belongs to the caller.
    pub(super) fn find(&self, session_id: &str, caller: &str) -> Option<Arc<OwnedSession>> {
        let session = self.lock().get(session_id).cloned();
        session.filter(|session| session.owner == caller)
    }

    /// Reserves one more session of the caller until the returned guard is dropped.
    ///
    /// # Errors
    /// A limit is reached.
    pub(super) async fn reserve(
        &self,
        caller: &str,
    ) -> Result<MutexGuard<'_, ()>, TooManySessions> {
        let opening = self.opening.lock().await;
        let alive = self.manager.sessions.read().await;
        let mut sessions = self.lock();
        sessions.retain(|id, _| alive.contains_key(id.as_str()));
        let owned = sessions.values().filter(|session| session.owner == caller);
        let of_caller = owned.count();
        if of_caller >= MAX_SESSIONS_PER_CALLER {
            Err(TooManySessions::OfCaller)
        } else if sessions.len() >= MAX_SESSIONS {
            Err(TooManySessions::OfServer)
        } else {
            drop(sessions);
            Ok(opening)
        }
    }

    /// Records a new session.
    pub(super) fn insert(&self, session_id: &str, session: Arc<OwnedSession>) {
        self.lock().insert(session_id.to_owned(), session);
    }

    /// Removes a session that its owner has ended.
    pub(super) fn remove(&self, session_id: &str) {
        self.lock().remove(session_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OwnedSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
