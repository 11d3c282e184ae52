//! The accept loop: connections, their limits, and the graceful shutdown in two stages.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::application::Application;
use super::connection::Connection;
use super::connection_threads::ConnectionThreads;
use super::listener::{self, Listener, Stream};
use super::response_batches::ResponseBatches;
use super::sending::{ConnectionService, StreamExecutor};
use super::socket::{self, PeerWatch};
use super::timed_stream::{StreamLimits, TimedStream};
use super::tls::{LiveTls, TlsAcceptor};
use crate::telemetry::{Observer, Sample};

/// Connections open at the same time; further ones wait in the accept queue.
const MAX_CONNECTIONS: usize = 4_096;
/// Time a client may take to send the request line and headers; see [`StreamLimits`].
const MAX_HEAD_TIME: Duration = Duration::from_secs(15);
/// Size of the request line and headers of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Concurrent requests on one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 256;
/// Bytes of request bodies that a client may send before they are read, on one HTTP/2 connection. Enough for 5 MB per
/// second over a path with 50 ms of delay.
const MAX_HTTP2_UNREAD_BYTES: u32 = 256 << 10;
/// Time in which a client must accept some of the data that waits to be sent: on the connection, and on each HTTP/2
/// stream.
const MAX_STALLED_TIME: Duration = Duration::from_secs(30);
/// Time for the first request of a connection that was opened just before the shutdown.
const MAX_FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);
/// Time a client may take to close an idle HTTP/2 connection after it was told to.
const MAX_CLOSE_TIME: Duration = Duration::from_secs(10);
/// Time for the responses to a client that has closed its side of the connection. It may still read, but most such
/// clients are gone. Shorter than the time that a call waits for a place, so that a client gets the one that it has left.
const MAX_HALF_CLOSED_TIME: Duration = Duration::from_millis(250);
/// Time that responses may take to be sent after the running calls were stopped.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(2);
/// Time a client may take for the TLS handshake.
const MAX_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`, for example when file descriptors have run out.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Time between two log lines about connections that were not accepted.
const MIN_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// TLS and shutdown settings of [`serve`].
pub struct Serving {
    /// Accepts TLS connections; `None` serves plain HTTP.
    pub tls: Option<LiveTls>,
    /// Cancelled by [`serve`] when it stops accepting connections.
    pub draining: CancellationToken,
    /// Time that running requests may take to finish after that.
    pub drain: watch::Receiver<Duration>,
    /// Time after which a connection without a request is closed.
    pub keep_alive: Duration,
    /// Resolves when everything has ended that answered requests have left behind and that `drain` is for.
    pub left_behind: BoxFuture<'static, ()>,
    /// Has the metrics to which the number of connections is added.
    pub observer: Observer,
    /// Cancelled by [`serve`] to stop the requests that are still running after `drain`.
    pub shutdown: CancellationToken,
}

/// Serves until `stop` resolves, then shuts down gracefully.
///
/// The shutdown stops accepting, waits up to [`Serving::drain`] for running requests, stops the remaining ones, and
/// returns.
pub async fn serve(
    listener: Listener,
    application: Application,
    stop: impl Future<Output = ()>,
    serving: Serving,
) {
    let server = Server {
        builder: Arc::new(builder(serving.keep_alive)),
        application,
        keep_alive: serving.keep_alive,
        draining: serving.draining.clone(),
    };
    let connection_permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    if let Some(metrics) = serving.observer.metrics() {
        let connections = connections.clone();
        metrics.add_source(move |samples| {
            let open = connections.len() as u64;
            samples.push(Sample::gauge(
                "toolcrib_connections",
                "Open connections of clients",
                open,
            ));
        });
    }
    let mut failures = AcceptFailures::default();
    let threads = ConnectionThreads::start();
    let serve_on = |stream, permit: Option<OwnedSemaphorePermit>| {
        let (server, token) = (server.clone(), connections.token());
        let tls = serving.tls.as_ref().map(LiveTls::current);
        threads.spawn(stream, move |stream, batches| async move {
            match tls {
                None => {
                    let (stream, peer) = socket::split(stream);
                    server.serve_connection(stream, peer, batches).await;
                }
                Some(tls) => server.serve_tls_connection(stream, &tls, batches).await,
            }
            drop((permit, token));
        });
    };
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = connection_permits.clone().acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                failures.log(&error);
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        serve_on(stream, permit);
    }
    for stream in listener.close() {
        if let (Ok(stream), Ok(permit)) = (
            listener::attach(stream),
            connection_permits.clone().try_acquire_owned(),
        ) {
            serve_on(stream, Some(permit));
        }
    }
    serving.draining.cancel();
    connections.close();
    let mut ended = pin!(async {
        connections.wait().await;
        serving.left_behind.await;
    });
    let drain = *serving.drain.borrow();
    if tokio::time::timeout(drain, &mut ended).await.is_err() {
        tracing::warn!("running calls stopped at the end of the drain");
        serving.shutdown.cancel();
        let _ = tokio::time::timeout(MAX_FLUSH_TIME, &mut ended).await;
    }
    serving.shutdown.cancel();
}

/// Returns the connection builder with all limits set.
fn builder(keep_alive: Duration) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(StreamExecutor {
        max_stalled: MAX_STALLED_TIME,
    });
    builder
        .http1()
        .timer(TokioTimer::new())
        // `serve_connection` ends the connection of a client that is gone.
        .half_close(true)
        // Includes the time before a further request.
        .header_read_timeout(keep_alive)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_stream_window_size(MAX_HTTP2_UNREAD_BYTES)
        .initial_connection_window_size(MAX_HTTP2_UNREAD_BYTES)
        .keep_alive_interval(Some(MAX_HEAD_TIME));
    builder
}

/// The HTTP server for one connection.
#[derive(Clone)]
struct Server {
    builder: Arc<auto::Builder<StreamExecutor>>,
    application: Application,
    keep_alive: Duration,
    /// Cancelled when connections are to end after their open requests.
    draining: CancellationToken,
}

impl Server {
    async fn serve_tls_connection(
        self,
        stream: Stream,
        tls: &TlsAcceptor,
        batches: Arc<ResponseBatches>,
    ) {
        let (stream, peer) = socket::split(stream);
        match tokio::time::timeout(MAX_HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_connection(stream, peer, batches).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        }
    }

    async fn serve_connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: PeerWatch,
        batches: Arc<ResponseBatches>,
    ) {
        let connection = Connection::new(batches);
        let limits = StreamLimits {
            head: MAX_HEAD_TIME,
            stalled_write: MAX_STALLED_TIME,
        };
        let stream = TimedStream::new(stream, connection.clone(), limits);
        let service = ConnectionService {
            connection: connection.clone(),
            application: self.application,
        };
        let serving = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        let mut serving = pin!(serving);
        let closing = async {
            tokio::select! {
                // A client that has just connected may have sent its request.
                () = self.draining.cancelled() => {
                    connection.first_exchange_within(MAX_FIRST_REQUEST_TIME).await;
                }
                () = connection.idle_for(self.keep_alive) => {}
            }
        };
        let gone = async {
            peer.closed().await;
            let left = async {
                tokio::time::sleep(MAX_HALF_CLOSED_TIME).await;
                // A response under way may take longer, as long as the client accepts some of it.
                while connection.exchanges().sending > 0 {
                    tokio::time::sleep(MAX_HALF_CLOSED_TIME).await;
                }
            };
            tokio::select! {
                () = peer.reset() => {}
                () = left => {}
            }
        };
        let mut gone = pin!(gone);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = &mut gone => return,
            () = closing => {
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    served = serving => served,
                    () = gone => return,
                    () = connection.idle_for(MAX_CLOSE_TIME) => Ok(()),
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Failures to accept connections, which clients can cause by using up the file descriptors: logged once a minute.
#[derive(Default)]
struct AcceptFailures {
    unlogged: u64,
    last_logged: Option<Instant>,
}

impl AcceptFailures {
    fn log(&mut self, error: &std::io::Error) {
        self.unlogged += 1;
        let is_due = |last: Instant| last.elapsed() >= MIN_LOG_INTERVAL;
        if self.last_logged.is_none_or(is_due) {
            let failures = self.unlogged;
            tracing::warn!(%error, failures, "connections not accepted");
            *self = Self {
                unlogged: 0,
                last_logged: Some(Instant::now()),
            };
        }
    }
}
