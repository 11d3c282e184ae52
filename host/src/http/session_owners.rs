//! The owner of each session, and its requests that have no response yet.
//!
//! `rmcp` keeps the state of a session but not its owner. Here a session belongs to the caller that opened it (issuer,
//! subject and client; not the token, which changes). The id of another caller's session is answered like an unknown
//! id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::sync::MutexGuard;

use super::session_requests::SessionRequests;

/// Sessions open at the same time.
const MAX_SESSIONS: usize = 1_024;
/// Open sessions of one caller.
const MAX_SESSIONS_PER_CALLER: usize = 64;

/// The open sessions by their id.
pub(super) struct SessionOwners {
    manager: Arc<LocalSessionManager>,
    sessions: Mutex<HashMap<String, OwnedSession>>,
    /// Held while a session is opened, so that concurrent openings cannot exceed the limits.
    opening: tokio::sync::Mutex<()>,
}

struct OwnedSession {
    /// The key of the owner.
    owner: String,
    requests: SessionRequests,
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

    /// Returns whether the session exists and belongs to the caller.
    pub(super) fn is_owner(&self, session_id: &str, caller: &str) -> bool {
        self.lock()
            .get(session_id)
            .is_some_and(|session| session.owner == caller)
    }

    /// Returns the requests of a session; `None` if it has ended.
    pub(super) fn requests(&self, session_id: &str) -> Option<SessionRequests> {
        let sessions = self.lock();
        sessions
            .get(session_id)
            .map(|session| session.requests.clone())
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

    /// Records the owner of a new session.
    pub(super) fn insert(&self, session_id: &str, caller: &str) {
        let session = OwnedSession {
            owner: caller.to_owned(),
            requests: SessionRequests::default(),
        };
        self.lock().insert(session_id.to_owned(), session);
    }

    /// Removes a session that its owner has ended.
    pub(super) fn remove(&self, session_id: &str) {
        self.lock().remove(session_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, OwnedSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
