//! Reads a request body within its media type, size and time limits.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::responses::{INVALID_REQUEST, json_rpc};

/// Time a client may take to send its body.
const MAX_BODY_TIME: Duration = Duration::from_secs(30);

/// Reads a JSON body of at most `max_bytes`.
///
/// # Errors
/// The response that rejects the body.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
) -> Result<Bytes, Box<Response>> {
    let reject = |status, message: &str| {
        Err(Box::new(json_rpc(
            status,
            INVALID_REQUEST,
            message,
            None,
            None,
        )))
    };
    if !is_json(headers) {
        return reject(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the Content-Type must be application/json",
        );
    }
    let collecting = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(MAX_BODY_TIME, collecting).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => reject(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is larger than {max_bytes} bytes"),
        ),
        Ok(Err(_)) => reject(StatusCode::BAD_REQUEST, "the body did not arrive whole"),
        Err(_) => reject(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        ),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
