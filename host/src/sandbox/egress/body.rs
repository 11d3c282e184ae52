//! The bodies of outgoing requests and their responses, limited in size.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

/// Maximum size of a request body and of a response body.
pub(super) const MAX_BODY_BYTES: u64 = 64 << 20;

/// A request body from a guest.
pub(super) struct RequestBody {
    /// The mutex makes the body `Sync`, which reqwest requires. It is never contended.
    body: Mutex<WasiBody>,
    remaining_bytes: u64,
}

impl RequestBody {
    pub(super) fn new(body: WasiBody) -> Self {
        Self {
            body: Mutex::new(body),
            remaining_bytes: MAX_BODY_BYTES,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let body = self
            .body
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let frame = ready!(Pin::new(body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            self.remaining_bytes = subtract_frame(self.remaining_bytes, &frame)
                .ok_or(Error::HttpRequestBodySize(Some(MAX_BODY_BYTES)))?;
            Ok(frame)
        }))
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.lock() {
            Ok(body) => body.size_hint(),
            Err(_) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().is_ok_and(|body| body.is_end_stream())
    }
}

/// A response body for a guest.
pub(super) struct ResponseBody {
    body: reqwest::Body,
    remaining_bytes: u64,
    /// Maximum time between two frames.
    between_bytes: Duration,
    /// Runs while the guest waits for a frame.
    timeout: Option<Pin<Box<Sleep>>>,
    /// Held until the body is dropped: until then the request counts as open.
    _permit: OwnedSemaphorePermit,
}

impl ResponseBody {
    pub(super) fn new(
        body: reqwest::Body,
        between_bytes: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            body,
            remaining_bytes: MAX_BODY_BYTES,
            between_bytes,
            timeout: None,
            _permit: permit,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.timeout = None;
                Poll::Ready(frame.map(|frame| {
                    let frame = frame.map_err(|_| Error::HttpResponseIncomplete)?;
                    this.remaining_bytes = subtract_frame(this.remaining_bytes, &frame)
                        .ok_or(Error::HttpResponseBodySize(Some(MAX_BODY_BYTES)))?;
                    Ok(frame)
                }))
            }
            Poll::Pending => {
                // The timer runs only while the guest waits for a frame, not while it processes the last one.
                let between_bytes = this.between_bytes;
                let timeout = this
                    .timeout
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(between_bytes)));
                ready!(timeout.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Subtracts the size of a frame; returns `None` if the frame is larger than `remaining_bytes`.
fn subtract_frame(remaining_bytes: u64, frame: &Frame<Bytes>) -> Option<u64> {
    let bytes = frame.data_ref().map_or(0, Bytes::len);
    remaining_bytes.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX))
}
