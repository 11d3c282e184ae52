//! Closes connections that do not send a request.
//!
//! hyper limits the time for the head of a request, but only once it knows the HTTP version: a connection that sends
//! nothing, or the beginning of an HTTP/2 preface, would stay open for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Set by the first request of a connection.
type Arrived = Arc<AtomicBool>;

/// Returns the stream and the service of one connection, whose reads fail if no request arrives within `time`.
pub(super) fn within<T, S>(
    time: Duration,
    stream: T,
    service: S,
) -> (FirstRequestStream<T>, FirstRequestService<S>) {
    let arrived = Arrived::default();
    let stream = FirstRequestStream {
        stream,
        deadline: Box::pin(tokio::time::sleep(time)),
        arrived: arrived.clone(),
    };
    (stream, FirstRequestService { service, arrived })
}

/// A stream with a deadline for the first request.
pub(super) struct FirstRequestStream<T> {
    stream: T,
    deadline: Pin<Box<Sleep>>,
    arrived: Arrived,
}

/// A service that records the first request.
#[derive(Clone)]
pub(super) struct FirstRequestService<S> {
    service: S,
    arrived: Arrived,
}

impl<R, S: Service<R>> Service<R> for FirstRequestService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: R) -> S::Future {
        self.arrived.store(true, Ordering::Relaxed);
        self.service.call(request)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FirstRequestStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Checked before reading, so that a trickle of bytes does not extend the time.
        if !self.arrived.load(Ordering::Relaxed) && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FirstRequestStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Answer;

    impl Service<()> for Answer {
        type Response = ();
        type Error = Infallible;
        type Future = Ready<Result<(), Infallible>>;

        fn call(&self, (): ()) -> Self::Future {
            ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn reads_fail_after_the_time_unless_a_request_has_arrived() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut stream, service) = within(Duration::ZERO, near, Answer);
        // Bytes that are there do not extend the time.
        far.write_all(b"PRI").await.unwrap();
        stream.deadline.as_mut().await;
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        service.call(()).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'P');
    }
}
