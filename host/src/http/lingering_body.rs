//! Reads and discards the rest of a request body before an early response is sent.
//!
//! A request rejected for its headers or its size is answered while its body is still arriving. If the connection were
//! closed at that point, TCP would reset it and the client would see a broken pipe instead of the response
//! (RFC 9112, section 9.6).

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

/// Bytes of an unread body that are discarded; after them the connection is closed.
const MAX_DISCARDED_BYTES: usize = 16 << 20;
/// Time that discarding may take.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads and discards the part of a body that was left unread, up to the limits.
pub(super) async fn discard(body: Body) {
    let _ = tokio::time::timeout(MAX_DISCARD_TIME, discard_frames(body)).await;
}

/// Reads a body frame by frame, keeping none, up to its limit.
async fn discard_frames(mut body: Body) {
    let mut discarded_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded_bytes += frame.data_ref().map_or(0, Bytes::len);
        if discarded_bytes > MAX_DISCARDED_BYTES {
            return;
        }
    }
}
