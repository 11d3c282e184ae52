//! The MCP server over a catalog. Only this module and `http` use the protocol's types.

#![allow(
    deprecated,
    reason = "logging is deprecated and part of all three revisions"
)]

mod admission;
mod ask_client;
mod call_context;
mod call_id;
mod caller;
mod calls;
mod completions;
mod connection;
mod convert;
mod in_flight;
mod input_required;
mod listing;
mod notifications;
mod options;
mod prompts;
mod quota;
mod request_scope;
mod resources;
mod rounds;
mod server;
mod state;
mod stdio;
mod subscriptions;
mod tasks;
mod tools;

pub use admission::{AdmissionError, authorize_and_admit, target_name};
pub use caller::user_client_key;
pub use notifications::NotificationSender;
pub use options::ServerOptions;
pub use request_scope::RequestScope;
pub use server::ToolServer;
pub use stdio::serve_stdio;

/// The supported protocol revisions, oldest first.
pub const PROTOCOL_VERSIONS: [&str; 3] = ["2025-06-18", "2025-11-25", "2026-07-28"];

use serde_json::Value;

use crate::component::{CallError, Outcome};

/// Returns the `tools/call` result for an outcome as JSON, and whether it is an error.
pub fn result_json(outcome: Result<Outcome, CallError>) -> (Value, bool) {
    let result = convert::outcome(outcome);
    let is_error = result.is_error == Some(true);
    (serde_json::to_value(result).unwrap_or_default(), is_error)
}
