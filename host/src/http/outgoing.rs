//! Counts responses in the budgets of their bytes until they have been sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
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
pub(super) fn count(mut response: Response, budget: &Budget) -> Result<Response, Exhausted> {
    if response.body().is_end_stream() {
        return Ok(response);
    }
    response.extensions_mut().insert(Counted);
    let Some(bytes) = response.body().size_hint().exact() else {
        return Ok(response.map(|body| prefetched(body, budget.clone())));
    };
    let reservation = Arc::new(budget.reserve(usize::try_from(bytes).unwrap_or(usize::MAX))?);
    Ok(response.map(|body| Body::new(CountedBody { body, reservation })))
}

/// Middleware that counts the responses that belong to no call in an account of their connection.
pub(super) async fn count_other(request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let response = next.run(request).await;
    match connection {
        Some(connection) if response.extensions().get::<Counted>().is_none() => {
            count(response, &connection.accounts.for_other())
                .unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
        _ => response,
    }
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
            if sender.send(frame).is_err() || is_last {
                return;
            }
        }
    });
    Body::new(Prefetched {
        frames,
        _reading: AbortOnDropHandle::new(reading),
    })
}

struct Prefetched {
    frames: UnboundedReceiver<Result<Frame<Bytes>, axum::Error>>,
    _reading: AbortOnDropHandle<()>,
}

impl HttpBody for Prefetched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.frames.poll_recv(cx)
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
