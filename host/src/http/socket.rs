//! The socket of a connection, whose end can be awaited beside its reads and writes.
//!
//! hyper notices that a client has closed its side when it reads. It would then end an HTTP/1 connection whose client waits
//! for the response to a complete request, unless bytes wait behind that request, in which case it does not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{tcp, unix};
use tokio_util::either::Either;

use super::listener::Stream;

/// The stream of a connection. Dropping it and its [`PeerWatch`] closes the socket.
pub(super) struct Socket {
    read: Either<tcp::OwnedReadHalf, unix::OwnedReadHalf>,
    write: Arc<WriteHalf>,
}

/// Notices that the client has closed its side of the socket, or all of it.
pub(super) struct PeerWatch(Arc<WriteHalf>);

enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// Returns the stream of a connection and the watch over its client.
pub(super) fn split(stream: Stream) -> (Socket, PeerWatch) {
    let (read, write) = match stream {
        Either::Left(stream) => {
            let (read, write) = stream.into_split();
            (Either::Left(read), WriteHalf::Tcp(write))
        }
        Either::Right(stream) => {
            let (read, write) = stream.into_split();
            (Either::Right(read), WriteHalf::Unix(write))
        }
    };
    let write = Arc::new(write);
    let watch = PeerWatch(write.clone());
    (Socket { read, write }, watch)
}

impl PeerWatch {
    /// Resolves when no further bytes come from the client, read or not. Cancel-safe.
    pub(super) async fn closed(&self) {
        // Readiness for priority data, for which no socket is registered, includes the end of the read side, and unlike
        // that for reading, it does not include bytes that wait.
        self.ready(Interest::PRIORITY).await;
    }

    /// Resolves when the client has reset the connection. Cancel-safe.
    pub(super) async fn reset(&self) {
        self.ready(Interest::ERROR).await;
    }

    async fn ready(&self, interest: Interest) {
        let ready = match &*self.0 {
            WriteHalf::Tcp(write) => write.ready(interest).await,
            WriteHalf::Unix(write) => write.ready(interest).await,
        };
        if ready.is_err() {
            // The runtime is shutting down.
            std::future::pending().await
        }
    }
}

impl WriteHalf {
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(write) => write.as_ref().poll_write_ready(cx),
            Self::Unix(write) => write.as_ref().poll_write_ready(cx),
        }
    }

    fn try_write(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(write) => write.try_write_vectored(slices),
            Self::Unix(write) => write.try_write_vectored(slices),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.write.poll_ready(cx))?;
            match self.write.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The write half shuts the socket down when it is dropped, which follows.
        Poll::Ready(Ok(()))
    }
}
