//! Reads what is left of a request before an early answer leaves.
//!
//! A request that is refused by its head, or for its size, is answered while its
//! body is still on its way. Closing the connection then would reset it, and the
//! client would see a broken pipe where it should read why it was refused
//! (RFC 9112, section 9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use tokio::sync::oneshot;

/// What is read of a body that nobody wanted; after it the connection closes.
const MAX_DRAIN_BYTES: usize = 16 << 20;
/// How long its sender may take.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(2);

/// Runs the rest, and then reads what it left unread.
pub(super) async fn drain(request: Request, next: Next) -> Response {
    let (back, mut returned) = oneshot::channel();
    let response = next
        .run(request.map(|body| {
            Body::new(Lent {
                body: Some(body),
                back: Some(back),
            })
        }))
        .await;
    if let Ok(body) = returned.try_recv()
        && !body.is_end_stream()
    {
        let rest = Limited::new(body, MAX_DRAIN_BYTES).collect();
        let _ = tokio::time::timeout(MAX_DRAIN_TIME, rest).await;
    }
    response
}

/// A body that comes back when it is dropped.
struct Lent {
    body: Option<Body>,
    back: Option<oneshot::Sender<Body>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it once the answer has left.
            let _ = back.send(body);
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
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
