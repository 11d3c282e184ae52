//! Counts responses in the budgets of their bytes until they have been sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use super::byte_budget::{Budget, Exhausted, Reservation};
use super::connection::Connection;

/// Counts the response to a call.
///
/// # Errors
/// The account that is full. The response is dropped.
pub(super) fn count(response: Response, budget: &Budget) -> Result<Response, Exhausted> {
    match exact_bytes(&response) {
        Some(0) => Ok(response),
        Some(bytes) => Ok(hold(response, budget.reserve(bytes)?)),
        None => {
            let budget = budget.clone();
            Ok(response.map(|body| prefetched(body, budget)))
        }
    }
}

/// Counts a response of the host itself, which is small, unless an account is full.
pub(super) fn count_small(response: Response, budget: &Budget) -> Response {
    match budget.reserve(exact_bytes(&response).unwrap_or_default()) {
        Ok(reservation) => hold(response, reservation),
        Err(_) => response,
    }
}

/// Counts a small response that belongs to no call in the account of its connection. If that is full, only the head is
/// sent, which need not wait for the client.
pub(super) fn count_other(response: Response, connection: Option<&Arc<Connection>>) -> Response {
    let Some(connection) = connection else {
        return response;
    };
    let bytes = match exact_bytes(&response) {
        Some(0) => return response,
        bytes => bytes.unwrap_or_default(),
    };
    if let Ok(reservation) = connection.accounts.for_other().reserve(bytes) {
        return hold(response, reservation);
    }
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::empty())
}

/// Middleware with [`count_other`].
pub(super) async fn count_response(request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    count_other(next.run(request).await, connection.as_ref())
}

/// Returns the size of a response's body, if it is known.
fn exact_bytes(response: &Response) -> Option<usize> {
    let bytes = response.body().size_hint().exact()?;
    Some(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Returns the response with a reservation that lasts until it has been sent.
fn hold(response: Response, reservation: Reservation) -> Response {
    response.map(|mut body| match body.frame().now_or_never() {
        // A body of known size is one frame.
        Some(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => Body::from(reservation.attach(data)),
            Err(_) => Body::empty(),
        },
        _ => Body::empty(),
    })
}

/// Returns a body that reads ahead of its client, so that events count from the time at which they are made: those of a
/// body that is not read would wait elsewhere. It fails when the budget is used up.
fn prefetched(mut body: Body, budget: Budget) -> Body {
    let (sender, frames) = unbounded_channel();
    let reading = tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let frame = frame.and_then(|frame| {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let reservation = budget.reserve(bytes).map_err(axum::Error::new)?;
                Ok(frame.map_data(|data| reservation.attach(data)))
            });
            if frame.is_err() {
                tracing::debug!("event stream not read, or failed");
            }
            let is_last = frame.is_err();
            if sender.send(Some(frame)).is_err() || is_last {
                return;
            }
        }
        let _ = sender.send(None);
    });
    Body::new(Prefetched {
        frames,
        is_ended: false,
        _reading: AbortOnDropHandle::new(reading),
    })
}

struct Prefetched {
    /// The frames, and `None` at the end.
    frames: UnboundedReceiver<Option<Result<Frame<Bytes>, axum::Error>>>,
    is_ended: bool,
    _reading: AbortOnDropHandle<()>,
}

impl HttpBody for Prefetched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.frames.poll_recv(cx)) {
            Some(frame) => frame,
            None => Some(Err(axum::Error::new("the body has panicked"))),
        };
        self.is_ended = frame.as_ref().is_none_or(Result::is_err);
        Poll::Ready(frame)
    }
}
