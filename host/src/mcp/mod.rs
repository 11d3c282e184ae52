//! The MCP server over a catalog. Only this module and `http` use the protocol's types.

#![allow(
    deprecated,
    reason = "logging is deprecated and part of all three revisions"
)]

mod caller;
mod calls;
mod connection;
mod convert;
mod in_flight;
mod input_required;
mod listing;
mod notifications;
mod quota;
mod rounds;
mod server;
mod subscriptions;
mod tasks;

pub(crate) use caller::rate_key;
pub use server::{ServerOptions, ToolServer};

/// The supported protocol revisions, oldest first.
pub const PROTOCOL_VERSIONS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];

use rmcp::ServiceExt;
use serde_json::Value;

use crate::component::{CallError, Outcome};

/// Serves one client over standard input and output until it disconnects.
///
/// # Errors
/// The client does not speak the protocol.
pub async fn serve_stdio(server: &ToolServer) -> anyhow::Result<()> {
    let running = server
        .for_connection()
        .serve(rmcp::transport::stdio())
        .await?;
    running.waiting().await?;
    Ok(())
}

/// Returns the `tools/call` result for an outcome as JSON, and whether it is an error.
pub fn result_json(outcome: Result<Outcome, CallError>) -> (Value, bool) {
    let result = convert::outcome(outcome);
    let is_error = result.is_error == Some(true);
    (serde_json::to_value(result).unwrap_or_default(), is_error)
}
