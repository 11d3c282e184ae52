//! Errors over HTTP: the one place that gives them a JSON-RPC body.

use std::any::Any;

use axum::Json;
use axum::body::Body;
use axum::http::{Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use crate::auth::AuthError;
use crate::catalog::Rejection;

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const UNSUPPORTED_VERSION: i32 = -32022;
const INTERNAL_ERROR: i32 = -32603;

/// A JSON-RPC error; the id stays away where it is not known (MCP 2026-07-28,
/// base, messages: it is never null).
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
    (status, Json(body)).into_response()
}

/// An error that is no answer to a JSON-RPC message.
pub(super) fn plain(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

/// A refused call, with the time after which to try again (RFC 9110, 10.2.3).
pub(super) fn refused(refused: Rejection, id: Option<&Value>) -> Response {
    let (status, wait) = match refused {
        Rejection::Saturated(wait) => (StatusCode::SERVICE_UNAVAILABLE, wait),
        Rejection::Caller(wait) | Rejection::Rate(wait) => (StatusCode::TOO_MANY_REQUESTS, wait),
    };
    let mut response = json_rpc(status, own_code(status), &refused.to_string(), id, None);
    let seconds = wait.as_secs().max(1).into();
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// The body of what the guard refuses: the message has not been read yet, so
/// there is no id.
pub(super) fn refusal_body(refusal: &AuthError) -> Value {
    json!({
        "jsonrpc": "2.0",
        "error": { "code": own_code(refusal.status()), "message": refusal.description() },
    })
}

/// A call that the caller lacks a scope for.
pub(super) fn denied(refusal: AuthError, id: Option<&Value>) -> Response {
    let mut body = refusal_body(&refusal);
    if let Some(id) = id {
        body["id"] = id.clone();
    }
    refusal.into_response_with(&body)
}

/// A panic in the host: the cause is for the log alone.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let cause = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(panic.message = cause, "request handler panicked");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    json_rpc(
        status,
        INTERNAL_ERROR,
        "the host failed; its log has the cause",
        None,
        None,
    )
}

/// `rmcp` answers some faults with text. Each leaves as JSON-RPC.
pub(super) async fn normalised(response: HttpResponse<Body>, id: Option<&Value>) -> Response {
    const MAX_TEXT_BYTES: usize = 1_024;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = match Limited::new(body, MAX_TEXT_BYTES).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let mut normal = if status.is_server_error() {
        // What went wrong inside is nobody's business outside.
        tracing::error!(http.status = status.as_u16(), cause = %text, "request failed");
        json_rpc(
            status,
            INTERNAL_ERROR,
            "the host failed; its log has the cause",
            id,
            None,
        )
    } else if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // The media type was right; the message was not.
        let message = "the body is not a JSON-RPC message of MCP";
        json_rpc(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, id, None)
    } else {
        json_rpc(status, INVALID_REQUEST, &text, id, None)
    };
    if let Some(allow) = head.headers.get(header::ALLOW) {
        normal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    normal
}

/// JSON-RPC reserves -32768 to -32000 and MCP forbids its rest to servers, so
/// what HTTP refuses carries the status as its code.
fn own_code(status: StatusCode) -> i32 {
    i32::from(status.as_u16())
}
