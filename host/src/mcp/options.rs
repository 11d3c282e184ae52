//! The settings of the MCP server.

use std::time::Duration;

use crate::auth::Secret;
use crate::shared::Shared;
use crate::telemetry::Observer;

/// The texts that a server announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The name announced to clients.
    pub name: String,
    /// Instructions for the model, announced to clients.
    pub instructions: Option<String>,
}

/// The settings of a [`ToolServer`](super::ToolServer).
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The texts at the start.
    pub identity: ServerIdentity,
    /// Whether every caller sees the same lists.
    pub public: bool,
    /// Whether the catalog can change while it is served.
    pub changes: bool,
    /// At the start, seals the state that a client holds between two rounds of a call: at least 32 bytes. `None` generates a key, which
    /// other replicas and later starts do not know.
    pub state_key: Option<Secret>,
    /// Time a task may wait for its client, and time its result is kept.
    pub task_ttl: Duration,
    /// Records the requests.
    pub observer: Observer,
    /// Shares tasks with other replicas; `None` keeps them here.
    pub shared: Option<Shared>,
}
