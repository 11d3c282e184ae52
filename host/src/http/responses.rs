//! Error responses: the one place that turns a failure into an HTTP status and a JSON-RPC body.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::Response;
use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage};
use serde_json::{Value, json};

use super::byte_budget::Exhausted;
use crate::auth::AuthError;
use crate::catalog::Rejection;
use crate::json;

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const UNSUPPORTED_VERSION: i32 = -32022;
const INTERNAL_ERROR: i32 = -32603;

/// The message of an error response, in its extensions, for the record of the request.
#[derive(Debug, Clone)]
pub(super) struct Reason(pub(super) Cow<'static, str>);

/// The code of the JSON-RPC error that answers a request, in the extensions of its response, for the record of the request.
/// An event stream sets it when it sends the error.
#[derive(Debug, Clone, Default)]
pub(super) struct ErrorResult(Arc<OnceLock<ErrorCode>>);

impl ErrorResult {
    /// Sets the code if the message is an error.
    pub(super) fn note(&self, message: &ServerJsonRpcMessage) {
        if let ServerJsonRpcMessage::Error(error) = message {
            // A request has one answer.
            let _ = self.0.set(error.error.code);
        }
    }

    pub(super) fn code(&self) -> Option<ErrorCode> {
        self.0.get().copied()
    }
}

/// Returns the answer of a request as JSON.
pub(super) fn json_answer(status: StatusCode, message: &ServerJsonRpcMessage) -> Response {
    let mut response = json::response(status, message);
    if matches!(message, ServerJsonRpcMessage::Error(_)) {
        let error = ErrorResult::default();
        error.note(message);
        response.extensions_mut().insert(error);
    }
    response
}

/// Returns a JSON-RPC error. An unknown id is omitted and never null (MCP 2026-07-28, base protocol, messages).
pub(super) fn json_rpc(
    status: StatusCode,
    code: i32,
    message: &str,
    id: Option<&Value>,
    data: Option<Value>,
) -> Response {
    let mut error = json!({ "code": code, "message": message });
    if let Some(data) = data {
        error["data"] = data;
    }
    let mut body = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = id {
        body["id"] = id.clone();
    }
    let mut response = json::response(status, &body);
    let reason = Reason(message.to_owned().into());
    response.extensions_mut().insert(reason);
    response
}

/// Returns an error of MCP as a 400 response.
pub(super) fn bad_request(error: ErrorData, id: Option<RequestId>) -> Response {
    json::response(StatusCode::BAD_REQUEST, &JsonRpcError::new(id, error))
}

/// Returns an error for a request that is not JSON-RPC.
pub(super) fn plain(status: StatusCode, message: &str) -> Response {
    json::response(status, &json!({ "error": message }))
}

/// Returns the response to a call that exceeds a limit, with `Retry-After` (RFC 9110, section 10.2.3).
pub(super) fn limit_reached(limit: Rejection, id: Option<&Value>) -> Response {
    let (status, wait) = match limit {
        Rejection::Saturated(wait) => (StatusCode::SERVICE_UNAVAILABLE, wait),
        Rejection::Caller(wait) | Rejection::Rate(wait) => (StatusCode::TOO_MANY_REQUESTS, wait),
    };
    retry_later(status, &limit.to_string(), wait, id)
}

/// Returns a rejection that may not be repeated before `wait` has passed.
pub(super) fn retry_later(
    status: StatusCode,
    message: &str,
    wait: Duration,
    id: Option<&Value>,
) -> Response {
    let mut response = json_rpc(status, status_code(status), message, id, None);
    let seconds = wait.as_secs().max(1).into();
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// Returns the response to a request for whose bytes, or those of its response, there is no room.
pub(super) fn bytes_exhausted(exhausted: Exhausted, id: Option<&Value>) -> Response {
    const RETRY_AFTER_SECONDS: u64 = 1;
    let status = match exhausted {
        Exhausted::OfCaller => StatusCode::TOO_MANY_REQUESTS,
        Exhausted::OfServer => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = json_rpc(
        status,
        status_code(status),
        &exhausted.to_string(),
        id,
        None,
    );
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    response
}

/// Returns the body of a response of the guard. The guard runs before the message is read, so there is no id.
pub(super) fn auth_error_body(error: &AuthError) -> Value {
    json!({
        "jsonrpc": "2.0",
        "error": { "code": status_code(error.status()), "message": error.description() },
    })
}

/// Returns the response to a call for which the caller lacks a scope.
pub(super) fn insufficient_scope(error: AuthError, id: Option<&Value>) -> Response {
    let mut body = auth_error_body(&error);
    if let Some(id) = id {
        body["id"] = id.clone();
    }
    let mut response = error.clone().into_response_with(&body);
    response.extensions_mut().insert(error);
    response
}

/// Logs a failure of the host and returns a response that does not reveal the cause.
pub(super) fn internal_error(cause: &dyn Display, id: Option<&Value>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    tracing::error!(http.status = status.as_u16(), %cause, "request failed");
    host_failed(status, id)
}

/// Logs a panic in the host and returns a response that does not reveal the cause.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let cause = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(panic.message = cause, "request handler panicked");
    host_failed(StatusCode::INTERNAL_SERVER_ERROR, None)
}

fn host_failed(status: StatusCode, id: Option<&Value>) -> Response {
    let message = "the host failed; its log has the cause";
    json_rpc(status, INTERNAL_ERROR, message, id, None)
}

/// Returns the JSON-RPC code of an error that only HTTP defines: its status. JSON-RPC reserves -32768 to -32000, and MCP
/// leaves none of these to servers.
pub(super) fn status_code(status: StatusCode) -> i32 {
    i32::from(status.as_u16())
}
