//! Reads and discards the rest of a request body before an early response is sent.
//!
//! A request rejected for its headers or its size is answered while its body is still arriving. If the connection were
//! closed at that point, TCP would reset it and the client would see a broken pipe instead of the response
//! (RFC 9112, section 9.6). HTTP/2 needs none of this: it ends a single stream.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Version, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;

/// Bytes of an unread body that are discarded; after them the connection is closed.
const MAX_DISCARDED_BYTES: usize = 16 << 20;
/// Time that discarding may take.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// The body of a request, of which any part may be left unread.
pub(super) struct RequestBody {
    body: Body,
    /// Whether the rest is discarded if nothing has been asked for.
    is_coming: bool,
    /// Whether the rest is discarded at all.
    can_linger: bool,
}

impl RequestBody {
    pub(super) fn new(head: &Parts, body: Body) -> Self {
        Self {
            body,
            // Reading another body would ask the client to send it.
            is_coming: !expects_continue(&head.headers),
            can_linger: head.version != Version::HTTP_2,
        }
    }

    /// Returns the next frame; `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<Result<Frame<Bytes>, axum::Error>> {
        self.is_coming = true;
        self.body.frame().await
    }

    /// Reads and discards the part that was left unread, up to the limits.
    pub(super) async fn discard_rest(self) {
        if self.can_linger && self.is_coming && !self.body.is_end_stream() {
            let _ = tokio::time::timeout(MAX_DISCARD_TIME, discard_frames(self.body)).await;
        }
    }
}

/// Returns whether the client sends the body only after it was told to (RFC 9110, section 10.1.1).
fn expects_continue(headers: &HeaderMap) -> bool {
    let expectation = headers.get(header::EXPECT);
    expectation.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
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
