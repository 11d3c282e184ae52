//! The responses to messages that a session does not take.

use axum::http::StatusCode;
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManagerError, SessionError,
};
use serde_json::Value;

use super::responses::{self, INVALID_REQUEST, json_rpc};

/// Returns the response to a message that a session did not take. A client may end its session at any time, so that is
/// not logged as a failure.
pub(super) fn failed(error: &LocalSessionManagerError, id: Option<&Value>) -> Response {
    match error {
        LocalSessionManagerError::SessionNotFound(_)
        | LocalSessionManagerError::SessionError(SessionError::SessionServiceTerminated) => {
            no_such_session(id)
        }
        _ => responses::internal_error(error, id),
    }
}

/// Returns the response to a request that names another protocol version than its session has.
pub(super) fn other_version(version: &str, id: Option<&Value>) -> Response {
    let message = format!(
        "the protocol version of this session is {version}; the MCP-Protocol-Version header has another one"
    );
    json_rpc(StatusCode::BAD_REQUEST, INVALID_REQUEST, &message, id, None)
}

/// Returns the response for a session that does not exist or belongs to another caller.
pub(super) fn no_such_session(id: Option<&Value>) -> Response {
    let message = "there is no such session; start again with initialize";
    json_rpc(StatusCode::NOT_FOUND, INVALID_REQUEST, message, id, None)
}
