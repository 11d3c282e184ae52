//! Reads and discards the rest of a request body before an early response is sent.
//!
//! A request rejected for its headers or its size is answered while its body is still arriving. If the connection were
//! closed at that point, TCP would reset it and the client would see a broken pipe instead of the response
//! (RFC 9112, section 9.6). HTTP/2 needs none of this: it ends a single stream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

/// Bytes of an unread body that are discarded; after them the connection is closed.
const MAX_DISCARDED_BYTES: usize = 16 << 20;
/// Time that discarding may take.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// Middleware that runs the inner service and then discards the part of the body that it left unread.
pub(super) async fn discard(request: Request, next: Next) -> Response {
    if request.version() == Version::HTTP_2 {
        return next.run(request).await;
    }
    let waits_to_continue = expects_continue(request.headers());
    let (give_back, mut given_back) = oneshot::channel();
    let response = next
        .run(request.map(|body| {
            Body::new(LentBody {
                body: Some(body),
                is_started: false,
                give_back: Some(give_back),
            })
        }))
        .await;
    if let Ok((body, is_started)) = given_back.try_recv()
        && !body.is_end_stream()
        // Reading such a body would ask the client to send it.
        && (is_started || !waits_to_continue)
    {
        let _ = tokio::time::timeout(MAX_DISCARD_TIME, discard_frames(body)).await;
    }
    response
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

/// A body that is sent back to the middleware when the inner service drops it.
struct LentBody {
    body: Option<Body>,
    /// Whether any of it was asked for.
    is_started: bool,
    give_back: Option<oneshot::Sender<(Body, bool)>>,
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if let (Some(body), Some(give_back)) = (self.body.take(), self.give_back.take()) {
            // Fails if the response has been sent already.
            let _ = give_back.send((body, self.is_started));
        }
    }
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_started = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
