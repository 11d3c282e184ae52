//! The owner of each session.
//!
//! `rmcp` keeps the state of a session but not its owner. Here a session belongs to the caller that opened it (issuer,
//! subject and client; not the token, which changes). The id of another caller's session is answered like an unknown
//! id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::sync::MutexGuard;

/// Sessions open at the same time.
const MAX_SESSIONS: usize = 1_024;
/// Open sessions of one caller.
const MAX_SESSIONS_PER_CALLER: usize = 64;

/// The open sessions by their id, each with the key of its owner.
pub(super) struct SessionOwners {
    manager: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, String>>,
    /// Held while a session is opened, so that concurrent openings cannot exceed the limits.
    opening: tokio::sync::Mutex<()>,
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
            owners: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// Returns whether the session exists and belongs to the caller.
    pub(super) fn is_owner(&self, session_id: &str, caller: &str) -> bool {
        self.lock()
            .get(session_id)
            .is_some_and(|owner| owner == caller)
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
        let mut owners = self.lock();
        owners.retain(|id, _| alive.contains_key(id.as_str()));
        let of_caller = owners.values().filter(|owner| *owner == caller).count();
        if of_caller >= MAX_SESSIONS_PER_CALLER {
            Err(TooManySessions::OfCaller)
        } else if owners.len() >= MAX_SESSIONS {
            Err(TooManySessions::OfServer)
        } else {
            drop(owners);
            Ok(opening)
        }
    }

    /// Records the owner of a new session.
    pub(super) fn insert(&self, session_id: &str, caller: String) {
        self.lock().insert(session_id.to_owned(), caller);
    }

    /// Removes a session that its owner has ended.
    pub(super) fn remove(&self, session_id: &str) {
        self.lock().remove(session_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
