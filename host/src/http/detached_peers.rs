//! Peers without a connection, for requests without a session.
//!
//! `rmcp`'s handlers learn the protocol version of an older client from the peer of its connection. Only `rmcp` can
//! create a peer, together with a service that runs on a connection.

use std::sync::OnceLock;

use futures::{sink, stream};
use rmcp::model::{
    ClientCapabilities, Implementation, InitializeRequestParams, ProtocolVersion,
    ServerJsonRpcMessage,
};
use rmcp::service::serve_directly;
use rmcp::{Peer, RoleServer};
use serde_json::Value;

use crate::mcp::{PROTOCOL_VERSIONS, ToolServer};

/// One peer for each supported protocol version.
pub(super) struct DetachedPeers {
    server: ToolServer,
    /// Created by the first request, because `rmcp` needs the async runtime. In the order of [`PROTOCOL_VERSIONS`].
    peers: OnceLock<Vec<Peer<RoleServer>>>,
}

impl DetachedPeers {
    pub(super) fn new(server: ToolServer) -> Self {
        Self {
            server,
            peers: OnceLock::new(),
        }
    }

    /// Returns the peer of a version. A version that is not supported gets the peer of the one before it, because
    /// handlers only distinguish revisions before and after another.
    pub(super) fn get(&self, version: &ProtocolVersion) -> Peer<RoleServer> {
        let peers = self.peers.get_or_init(|| self.create());
        // ISO dates compare as text.
        let later = PROTOCOL_VERSIONS.partition_point(|known| *known <= version.as_str());
        peers[later.saturating_sub(1)].clone()
    }

    fn create(&self) -> Vec<Peer<RoleServer>> {
        let create = |version: &&str| {
            let version = serde_json::from_value(Value::String((*version).into()));
            let info = peer_info(version.unwrap_or_default());
            let messages = sink::drain::<ServerJsonRpcMessage>();
            // The service ends at once, since it receives nothing.
            let service =
                serve_directly(self.server.clone(), (messages, stream::empty()), Some(info));
            service.peer().clone()
        };
        PROTOCOL_VERSIONS.iter().map(create).collect()
    }
}

/// Returns the facts that the handshake of a client without capabilities would have established.
pub(super) fn peer_info(version: ProtocolVersion) -> InitializeRequestParams {
    InitializeRequestParams::new(ClientCapabilities::default(), Implementation::default())
        .with_protocol_version(version)
}
