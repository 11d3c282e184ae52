//! Counts responses in the budgets of their bytes until they have been sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

use super::byte_budget::{Budget, Exhausted, Reservation, attach};
use super::connection::Connection;

/// Marks responses that are counted.
#[derive(Clone)]
struct Counted;

/// Counts the response to a call.
///
/// # Errors
/// The account that is full. The response is dropped.
pub(super) fn count(response: Response, budget: &Budget) -> Result<Response, Exhausted> {
    let bytes = match response.body().size_hint().exact() {
        Some(0) => return Ok(response),
        Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        None => {
            let budget = budget.clone();
            return Ok(mark(response.map(|body| prefetched(body, budget))));
        }
    };
    Ok(hold(response, budget.reserve(bytes)?))
}

/// Counts a response of the host itself, which is small, unless an account is full.
pub(super) fn count_small(response: Response, budget: &Budget) -> Response {
    let bytes = response.body().size_hint().exact();
    let bytes = bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    match budget.reserve(bytes) {
        Ok(reservation) => hold(response, reservation),
        Err(_) => response,
    }
}

/// Middleware that counts the responses that no other account has in one of their connection. If that is full, only
/// their heads are sent, which need not wait for the client.
pub(super) async fn count_other(request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let response = next.run(request).await;
    let Some(connection) = connection else {
        return response;
    };
    if is_counted(&response) {
        return response;
    }
    let response = count_small(response, &connection.accounts.for_other());
    if is_counted(&response) {
        return response;
    }
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::empty())
}

fn is_counted(response: &Response) -> bool {
    response.body().is_end_stream() || response.extensions().get::<Counted>().is_some()
}

fn mark(mut response: Response) -> Response {
    response.extensions_mut().insert(Counted);
    response
}

/// Returns the response with a reservation that lasts until it has been sent.
fn hold(response: Response, reservation: Reservation) -> Response {
    let reservation = Arc::new(reservation);
    mark(response.map(|body| Body::new(CountedBody { body, reservation })))
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

/// A body of known size, whose reservation lasts until the last frame has been sent.
struct CountedBody {
    body: Body,
    reservation: Arc<Reservation>,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let reservation = self.reservation.clone();
        let attach = |frame: Frame<Bytes>| frame.map_data(|data| attach(reservation, data));
        Poll::Ready(frame.map(|frame| frame.map(attach)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
