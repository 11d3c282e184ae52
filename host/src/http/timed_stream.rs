//! The byte stream of a connection, with time limits that hyper does not have.
//!
//! hyper limits the time for the head of a request, but only once it knows the HTTP version: a connection that sends
//! nothing, or the beginning of an HTTP/2 preface, would stay open for ever. It does not limit the time that a client
//! may leave a response unread.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connection::Connection;

/// The time limits of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamLimits {
    /// Time a client may take to send the head of a request: of the first one from the start of the connection, of
    /// further ones from their first byte (HTTP/1 only, since HTTP/2 has other frames between requests).
    pub(super) head: Duration,
    /// Time in which a client must accept at least one byte of the data that waits to be sent.
    pub(super) stalled_write: Duration,
}

/// A stream whose reads and writes fail at its limits.
pub(super) struct TimedStream<T> {
    stream: T,
    connection: Arc<Connection>,
    limits: StreamLimits,
    head_deadline: Pin<Box<Sleep>>,
    /// The number of requests that had arrived when the head began that must be complete at `head_deadline`.
    head: Option<u64>,
    write_deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> TimedStream<T> {
    pub(super) fn new(stream: T, connection: Arc<Connection>, limits: StreamLimits) -> Self {
        Self {
            stream,
            connection,
            limits,
            head_deadline: Box::pin(tokio::time::sleep(limits.head)),
            head: Some(0),
            write_deadline: None,
        }
    }

    /// Returns whether a head has taken too long.
    fn is_head_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.head.is_none() {
            return false;
        }
        if self.head != Some(self.connection.exchanges().started) {
            // The head is complete.
            self.head = None;
            return false;
        }
        self.head_deadline.as_mut().poll(cx).is_ready()
    }

    /// Starts the time of a head with its first byte.
    fn bytes_arrived(&mut self) {
        let exchanges = self.connection.exchanges();
        if self.head.is_none() && exchanges.open == 0 && !exchanges.is_http2 {
            self.head = Some(exchanges.started);
            let deadline = Instant::now() + self.limits.head;
            self.head_deadline.as_mut().reset(deadline);
        }
    }

    /// Turns a write that has been pending for too long into an error.
    fn limit_write<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let stalled_write = self.limits.stalled_write;
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stalled_write)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Checked before reading, so that a trickle of bytes does not extend the time.
        if self.is_head_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > filled_before {
            self.bytes_arrived();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TimedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limit_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.limit_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.limit_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.limit_write(cx, shut_down)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(20);

    /// A stream with these limits, its other end and its connection.
    fn stream(
        head: Duration,
        stalled_write: Duration,
    ) -> (TimedStream<DuplexStream>, DuplexStream, Arc<Connection>) {
        let (near, far) = duplex(64);
        let connection = Connection::new(Arc::default());
        let limits = StreamLimits {
            head,
            stalled_write,
        };
        (
            TimedStream::new(near, connection.clone(), limits),
            far,
            connection,
        )
    }

    #[tokio::test]
    async fn the_first_head_must_arrive_in_time() {
        let (mut stream, mut far, connection) = stream(Duration::ZERO, LONG);
        // Bytes that are there do not extend the time.
        far.write_all(b"PRI").await.unwrap();
        stream.head_deadline.as_mut().await;
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let _exchange = connection.start_exchange(false);
        assert_eq!(stream.read_u8().await.unwrap(), b'P');
    }

    #[tokio::test]
    async fn further_heads_must_arrive_in_time_from_their_first_byte() {
        let (mut stream, mut far, connection) = stream(SHORT, LONG);
        drop(connection.start_exchange(false));
        // No head has begun.
        let silent = tokio::time::timeout(4 * SHORT, stream.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
        far.write_all(b"P").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'P');
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A complete head ends the time.
        let _exchange = connection.start_exchange(false);
        let body = tokio::time::timeout(4 * SHORT, stream.read_u8()).await;
        assert!(body.is_err(), "{body:?}");
    }

    #[tokio::test]
    async fn frames_between_requests_of_http2_are_no_heads() {
        let (mut stream, mut far, connection) = stream(SHORT, LONG);
        drop(connection.start_exchange(true));
        far.write_all(b"p").await.unwrap();
        stream.read_u8().await.unwrap();
        let silent = tokio::time::timeout(4 * SHORT, stream.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
    }

    #[tokio::test]
    async fn writes_fail_if_the_client_reads_nothing() {
        let (mut stream, mut far, _) = stream(LONG, SHORT);
        stream.write_all(&[0; 64]).await.unwrap();
        let error = stream.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Time in which nothing waits to be sent does not count.
        far.read_exact(&mut [0; 64]).await.unwrap();
        stream.write_all(&[0; 64]).await.unwrap();
        tokio::time::sleep(2 * SHORT).await;
        far.read_exact(&mut [0; 1]).await.unwrap();
        stream.write_all(&[0; 1]).await.unwrap();
    }
}
