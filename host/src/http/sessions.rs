//! Sessions of clients of the older revisions, each bound to who opened it.
//!
//! `rmcp` keeps a session's state but not whose it is. Here every session
//! belongs to a caller (issuer, subject, client), never to the bytes of a token,
//! which change; somebody else's id is answered as one that does not exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use tokio::sync::MutexGuard;

use crate::auth::Caller;

/// Sessions that are open at once.
const MAX_SESSIONS: usize = 1_024;
/// Sessions that one caller may have open.
const MAX_SESSIONS_PER_CALLER: usize = 64;
/// A session that is not used for this long ends.
const MAX_IDLE: Duration = Duration::from_secs(600);

/// Whose sessions are open.
pub(super) struct Sessions {
    manager: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, SessionOwner>>,
    /// Held while a session is opened, so that the caps hold among those who come
    /// at the same moment.
    opening: tokio::sync::Mutex<()>,
}

/// Who a session belongs to; without a guard all callers are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SessionOwner {
    issuer: String,
    subject: String,
    client: Option<String>,
}

/// Why no session can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("you have {MAX_SESSIONS_PER_CALLER} sessions open; end one with DELETE")]
    SessionOwner,
    #[error("the server has no place for another session")]
    Server,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(MAX_IDLE);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        Self {
            manager: Arc::new(manager),
            owners: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// Where `rmcp` keeps their state.
    pub(super) fn manager(&self) -> Arc<LocalSessionManager> {
        self.manager.clone()
    }

    /// Whether this session is the caller's.
    pub(super) fn is_owned(&self, id: &str, caller: &SessionOwner) -> bool {
        self.owners().get(id) == Some(caller)
    }

    /// A place for one more session, until the guard is dropped.
    pub(super) async fn open(&self, caller: &SessionOwner) -> Result<MutexGuard<'_, ()>, Full> {
        let opening = self.opening.lock().await;
        let alive = self.manager.sessions.read().await;
        let mut owners = self.owners();
        owners.retain(|id, _| alive.contains_key(id.as_str()));
        let own = owners.values().filter(|owner| *owner == caller).count();
        if own >= MAX_SESSIONS_PER_CALLER {
            Err(Full::SessionOwner)
        } else if owners.len() >= MAX_SESSIONS {
            Err(Full::Server)
        } else {
            drop(owners);
            Ok(opening)
        }
    }

    /// Binds a session that was just opened.
    pub(super) fn opened(&self, id: &str, caller: SessionOwner) {
        self.owners().insert(id.to_owned(), caller);
    }

    /// Forgets a session that was ended.
    pub(super) fn ended(&self, id: &str) {
        self.owners().remove(id);
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, HashMap<String, SessionOwner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionOwner {
    pub(super) fn of(principal: Option<&Arc<Caller>>) -> Self {
        principal.map_or_else(Self::default, |principal| Self {
            issuer: principal.issuer.clone(),
            subject: principal.subject.clone(),
            client: principal.client_id.clone(),
        })
    }
}
