//! The texts that the server announces, in the form of the protocol.

use std::sync::Arc;

use rmcp::model::Implementation;
use serde_json::Value;

use super::options::ServerIdentity;

/// The texts that the server announces.
pub(super) struct Announced {
    pub(super) info: Implementation,
    /// `info` as JSON, for `_meta`.
    pub(super) info_json: Value,
    pub(super) instructions: Option<String>,
}

impl Announced {
    pub(super) fn new(identity: ServerIdentity) -> Arc<Self> {
        let info = Implementation::new(identity.name, env!("CARGO_PKG_VERSION"));
        Arc::new(Self {
            info_json: serde_json::to_value(&info).unwrap_or_default(),
            info,
            instructions: identity.instructions,
        })
    }
}
