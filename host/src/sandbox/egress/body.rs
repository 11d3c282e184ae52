//! The bodies of outgoing requests and of their responses, bounded.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

/// The most that one request or one response may carry.
pub(super) const MAX_BODY_BYTES: u64 = 64 << 20;

/// A guest's body, for a client that wants it `Sync`.
pub(super) struct RequestBody {
    /// Never locked: whoever polls it has it alone.
    body: Mutex<WasiBody>,
    left: u64,
}

impl RequestBody {
    pub(super) fn new(body: WasiBody) -> Self {
        Self {
            body: Mutex::new(body),
            left: MAX_BODY_BYTES,
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
            self.left =
                take(self.left, &frame).ok_or(Error::HttpRequestBodySize(Some(MAX_BODY_BYTES)))?;
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

/// A server's body on its way to the guest.
pub(super) struct ResponseBody {
    body: reqwest::Body,
    left: u64,
    /// How long the server may be silent.
    between: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl ResponseBody {
    pub(super) fn new(body: reqwest::Body, between: Duration) -> Self {
        Self {
            body,
            left: MAX_BODY_BYTES,
            between,
            silence: None,
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
                this.silence = None;
                Poll::Ready(frame.map(|frame| {
                    let frame = frame.map_err(|_| Error::HttpResponseIncomplete)?;
                    this.left = take(this.left, &frame)
                        .ok_or(Error::HttpResponseBodySize(Some(MAX_BODY_BYTES)))?;
                    Ok(frame)
                }))
            }
            Poll::Pending => {
                // The clock runs while the guest waits, not while it is busy with what it has.
                let between = this.between;
                let silence = this
                    .silence
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
                ready!(silence.as_mut().poll(cx));
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

/// What is left of a bound after a frame; `None` where the frame goes beyond it.
fn take(left: u64, frame: &Frame<Bytes>) -> Option<u64> {
    let bytes = frame.data_ref().map_or(0, Bytes::len);
    left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX))
}
