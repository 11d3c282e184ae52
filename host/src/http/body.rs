//! Reads a request body within its media type, size, time and memory limits.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;

use super::byte_budget::{Budget, Exhausted};
use super::lingering_body::RequestBody;
use super::responses::{self, INVALID_REQUEST, json_rpc};

/// Time a client may take to send its body.
const MAX_BODY_TIME: Duration = Duration::from_secs(30);
/// Time in which a client need not have sent anything.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Bytes per second that a client must send on average, apart from [`MAX_PAUSE`]. The slowest mobile networks are several
/// times faster.
const MIN_BYTES_PER_SECOND: u32 = 4 << 10;

/// The reason for which a body is rejected.
enum BodyError {
    TooLarge,
    TooSlow,
    Incomplete,
    Exhausted(Exhausted),
}

/// Reads a JSON body of at most `max_bytes`. The bytes count in the budget until they are dropped.
///
/// # Errors
/// The response that rejects the body.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: &mut RequestBody,
    max_bytes: usize,
    budget: &Budget,
) -> Result<Bytes, Box<Response>> {
    if !is_json(headers) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(rejection(
            status,
            "the Content-Type must be application/json",
        ));
    }
    read_any(body, max_bytes, budget).await
}

/// Like [`read_json`], of any media type.
pub(super) async fn read_any(
    body: &mut RequestBody,
    max_bytes: usize,
    budget: &Budget,
) -> Result<Bytes, Box<Response>> {
    let reject = |status, message: &str| Err(rejection(status, message));
    match read(body, max_bytes, budget).await {
        Ok(body) => Ok(body),
        Err(BodyError::TooLarge) => reject(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is larger than {max_bytes} bytes"),
        ),
        Err(BodyError::Incomplete) => {
            reject(StatusCode::BAD_REQUEST, "the body did not arrive whole")
        }
        Err(BodyError::TooSlow) => reject(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        ),
        Err(BodyError::Exhausted(exhausted)) => {
            Err(Box::new(responses::bytes_exhausted(exhausted, None)))
        }
    }
}

fn rejection(status: StatusCode, message: &str) -> Box<Response> {
    json_rpc(status, INVALID_REQUEST, message, None, None).into()
}

async fn read(
    body: &mut RequestBody,
    max_bytes: usize,
    budget: &Budget,
) -> Result<Bytes, BodyError> {
    let mut reservation = budget.reserve(0).map_err(BodyError::Exhausted)?;
    let started = Instant::now();
    // Copied from the frames: a small frame may keep a large buffer of the connection.
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout_at(started + max_time(bytes.len()), body.frame());
        let frame = match frame.await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) => return Ok(reservation.attach(bytes)),
            Ok(Some(Err(_))) => return Err(BodyError::Incomplete),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > max_bytes - bytes.len() {
            return Err(BodyError::TooLarge);
        }
        reservation.grow(data.len()).map_err(BodyError::Exhausted)?;
        bytes.extend_from_slice(&data);
    }
}

/// Returns the time after which more than `bytes` must have arrived.
fn max_time(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let time = Duration::from_secs(bytes.into()) / MIN_BYTES_PER_SECOND;
    MAX_BODY_TIME.min(MAX_PAUSE + time)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_a_least_rate_and_a_time_limit() {
        for (bytes, seconds) in [
            (0, 5),
            (4 << 10, 6),
            (40 << 10, 15),
            (1 << 20, 30),
            (usize::MAX, 30),
        ] {
            assert_eq!(
                max_time(bytes),
                Duration::from_secs(seconds),
                "{bytes} bytes"
            );
        }
    }
}
