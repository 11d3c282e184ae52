//! Sends the responses of a connection: tracks their unsent bytes, and resets HTTP/2 streams that a client leaves
//! unread.
//!
//! A response is passed to hyper in pieces, each of which is dropped when it has been written to the connection. The
//! last frame of an HTTP/2 stream follows when all its pieces have been sent, because a stream cannot be reset after it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, Version};
use futures::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::Service;
use tokio::time::Instant;

use super::application::Application;
use super::byte_budget::attach;
use super::connection::{Connection, Exchange};
use crate::boxed_future::boxed_future;

/// Size of the pieces. A client that does not accept one within the time of [`StreamExecutor`] is too slow.
const MAX_PIECE_BYTES: usize = 64 << 10;

tokio::task_local! {
    /// The stream on whose task this code runs; absent with HTTP/1.
    static STREAM: Arc<Stream>;
}

/// Runs the streams of HTTP/2 connections, and resets those whose client accepts no piece for `max_stalled`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    pub(super) max_stalled: Duration,
}

/// The unsent pieces of one HTTP/2 stream.
struct Stream {
    pieces: Mutex<Pieces>,
    sent: AtomicWaker,
}

#[derive(Clone, Copy)]
struct Pieces {
    unsent: usize,
    /// The time at which the last piece was sent, or the first unsent one was passed to hyper.
    last_progress: Instant,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, serving: F) {
        let max_stalled = self.max_stalled;
        let stream = Arc::new(Stream {
            pieces: Mutex::new(Pieces {
                unsent: 0,
                last_progress: Instant::now(),
            }),
            sent: AtomicWaker::new(),
        });
        tokio::spawn(STREAM.scope(stream.clone(), async move {
            tokio::select! {
                biased;
                _ = serving => {}
                // Dropping the future resets the stream.
                () = stream.stalled_for(max_stalled) => tracing::debug!("response not read, stream reset"),
            }
        }));
    }
}

impl Stream {
    /// Resolves when there has been an unsent piece and no progress for `time`.
    async fn stalled_for(&self, time: Duration) {
        let mut check = Instant::now() + time;
        loop {
            tokio::time::sleep_until(check).await;
            let (pieces, now) = (*self.lock(), Instant::now());
            match pieces.unsent {
                0 => check = now + time,
                _ if pieces.last_progress + time <= now => return,
                _ => check = pieces.last_progress + time,
            }
        }
    }

    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.sent.register(cx.waker());
        match self.lock().unsent {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece that hyper has not sent yet.
struct UnsentPiece {
    _exchange: Arc<Exchange>,
    stream: Option<Arc<Stream>>,
}

impl UnsentPiece {
    fn new(exchange: Arc<Exchange>, stream: Option<Arc<Stream>>) -> Self {
        if let Some(stream) = &stream {
            let mut pieces = stream.lock();
            if pieces.unsent == 0 {
                pieces.last_progress = Instant::now();
            }
            pieces.unsent += 1;
        }
        Self {
            _exchange: exchange,
            stream,
        }
    }
}

impl Drop for UnsentPiece {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            let mut pieces = stream.lock();
            pieces.unsent -= 1;
            pieces.last_progress = Instant::now();
            drop(pieces);
            stream.sent.wake();
        }
    }
}

/// The service of one connection. Each exchange is open until its response has been sent whole.
pub(super) struct ConnectionService {
    pub(super) connection: Arc<Connection>,
    pub(super) application: Application,
}

impl Service<Request<Incoming>> for ConnectionService {
    type Response = Response<SentBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let is_http2 = request.version() == Version::HTTP_2;
        let connection = self.connection.clone();
        let exchange = Arc::new(connection.start_exchange(is_http2));
        let application = self.application.clone();
        boxed_future(|| async move {
            let response = application
                .handle(request.map(Body::new), &connection)
                .await;
            connection.batches.wait().await;
            if response.body().size_hint().exact().is_some() {
                exchange.start_sending();
            }
            let stream = STREAM.try_with(Arc::clone).ok();
            Ok(response.map(|body| SentBody {
                body,
                rest: Bytes::new(),
                is_ended: false,
                exchange,
                stream,
            }))
        })
    }
}

/// The body of a response on a connection.
pub(super) struct SentBody {
    body: Body,
    /// The part of the last frame of `body` that has not been passed to hyper.
    rest: Bytes,
    /// Whether `body` has no further frame.
    is_ended: bool,
    exchange: Arc<Exchange>,
    /// `None` with HTTP/1.
    stream: Option<Arc<Stream>>,
}

impl HttpBody for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() && !self.is_ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.is_ended = true,
            }
        }
        if self.is_ended {
            if let Some(stream) = &self.stream {
                ready!(stream.poll_sent(cx));
            }
            return Poll::Ready(None);
        }
        let bytes = match &self.stream {
            Some(_) => self.rest.len().min(MAX_PIECE_BYTES),
            None => self.rest.len(),
        };
        let piece = self.rest.split_to(bytes);
        let unsent = UnsentPiece::new(self.exchange.clone(), self.stream.clone());
        Poll::Ready(Some(Ok(Frame::data(attach(unsent, piece)))))
    }

    fn is_end_stream(&self) -> bool {
        let is_sent = |stream: &Arc<Stream>| stream.lock().unsent == 0;
        self.rest.is_empty()
            && self.body.is_end_stream()
            && self.stream.as_ref().is_none_or(is_sent)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const PAUSE: Duration = Duration::from_millis(300);

    /// The body of a response, as the service passes it to hyper.
    fn sent_body(body: &'static [u8], connection: &Arc<Connection>) -> SentBody {
        SentBody {
            body: Body::from(body),
            rest: Bytes::new(),
            is_ended: false,
            exchange: Arc::new(connection.start_exchange(true)),
            stream: STREAM.try_with(Arc::clone).ok(),
        }
    }

    /// Runs a stream with this limit and returns whether it ended by itself.
    async fn ends<F: Future<Output = ()> + Send>(
        max_stalled: Duration,
        serve: impl FnOnce() -> F + Send + 'static,
    ) -> bool {
        let (ended, has_ended) = oneshot::channel();
        let executor = StreamExecutor { max_stalled };
        executor.execute(async move {
            serve().await;
            let _ = ended.send(());
        });
        has_ended.await.is_ok()
    }

    #[tokio::test]
    async fn a_stream_is_dropped_if_a_piece_is_not_sent_in_time() {
        let connection = Connection::new(Arc::default());
        let of_stream = connection.clone();
        let unread = ends(SHORT, async move || {
            let mut body = sent_body(&[1; 100], &of_stream);
            let _piece = body.frame().await;
            assert!(!body.is_end_stream());
            // The end waits until the piece has been sent.
            drop(body.frame().await);
        });
        assert!(!unread.await);
        assert_eq!(connection.exchanges().open, 0);

        let of_stream = connection.clone();
        let read = ends(5 * PAUSE, async move || {
            let mut body = sent_body(&[1; 5 * MAX_PIECE_BYTES + 1], &of_stream);
            let mut sizes = Vec::new();
            while let Some(frame) = body.frame().await {
                sizes.push(frame.unwrap().into_data().unwrap().len());
                // Each piece is within the time, all of them are not.
                tokio::time::sleep(PAUSE).await;
            }
            assert_eq!(sizes[..5], [MAX_PIECE_BYTES; 5]);
            assert_eq!(sizes[5..], [1]);
        });
        assert!(read.await);

        // A stream on which nothing waits may take longer, such as an event stream without events.
        let silent = ends(SHORT, async || tokio::time::sleep(4 * SHORT).await);
        assert!(silent.await);
    }

    #[tokio::test]
    async fn an_exchange_is_open_until_its_last_piece_is_sent() {
        let connection = Connection::new(Arc::default());
        let mut body = sent_body(b"text", &connection);
        let piece = body.frame().await;
        // HTTP/1 needs no other frame to end.
        assert!(body.is_end_stream());
        drop(body);
        assert_eq!(connection.exchanges().open, 1);
        drop(piece);
        assert_eq!(connection.exchanges().open, 0);
    }
}
