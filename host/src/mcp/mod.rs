//! The MCP server over a catalog. Only this module and `http` use the protocol's types.

#![allow(deprecated, reason = "logging is deprecated and part of all revisions")]

mod admission;
mod announced;
mod ask_client;
mod call_context;
mod call_id;
mod call_outcome;
mod caller;
mod calls;
mod completions;
mod connection;
mod convert;
mod downgrade;
mod in_flight;
mod input_required;
mod listing;
mod mounted;
mod notifications;
mod options;
mod prompts;
mod quota;
mod request_scope;
mod resources;
mod revision;
mod rounds;
mod seal;
mod server;
mod shared_tasks;
mod state;
mod stdio;
mod stdio_requests;
mod subscriptions;
mod task_handle;
mod tasks;
mod tools;

pub use admission::{
    AdmissionError, authorize_and_admit, is_call, request_trace_headers, target_name, trace_id,
};
pub use caller::user_client_key;
pub(crate) use caller::user_key;
pub(crate) use mounted::HandlerFailure;
pub use notifications::NotificationSender;
pub use options::{ServerIdentity, ServerOptions};
pub(crate) use quota::{Quota, Share};
pub use request_scope::RequestScope;
pub use revision::PROTOCOL_VERSIONS;
pub use server::ToolServer;
pub use stdio::{Shutdown, serve_stdio};

use serde_json::Value;

use crate::component::{CallError, Outcome, ToolResult};

/// Returns the `tools/call` result for an outcome as JSON, and whether it is an error.
pub fn result_json(outcome: Result<Outcome<ToolResult>, CallError>) -> (Value, bool) {
    let result = convert::outcome(outcome);
    let is_error = result.is_error == Some(true);
    (serde_json::to_value(result).unwrap_or_default(), is_error)
}
