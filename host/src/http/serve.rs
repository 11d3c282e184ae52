//! The accept loop: connections, their limits, and the graceful shutdown in two stages.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connection_threads::ConnectionThreads;
use super::first_request;
use super::listener::{Listener, Stream};
use super::tls::TlsAcceptor;

/// Connections open at the same time; further ones wait in the accept queue.
const MAX_CONNECTIONS: usize = 4_096;
/// Time a client may take to send the request line and headers, for the first request counted from the connection.
const MAX_HEAD_TIME: Duration = Duration::from_secs(15);
/// Size of the request line and headers of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Concurrent requests on one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 256;
/// Time that responses may take to be sent after the running calls were stopped.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(2);
/// Time a client may take for the TLS handshake.
const MAX_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`, for example when file descriptors have run out.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// TLS and shutdown settings of [`serve`].
pub struct Serving {
    /// Accepts TLS connections; `None` serves plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// Cancelled by [`serve`] when it stops accepting connections.
    pub draining: CancellationToken,
    /// Time that running requests may take to finish after that.
    pub drain: Duration,
    /// Cancelled by [`serve`] to stop the requests that are still running after `drain`.
    pub shutdown: CancellationToken,
}

/// Serves until `stop` resolves, then shuts down gracefully.
///
/// The shutdown stops accepting, waits up to [`Serving::drain`] for running requests, stops the remaining ones, and
/// returns.
pub async fn serve(
    listener: Listener,
    router: Router,
    stop: impl Future<Output = ()>,
    serving: Serving,
) {
    let server = Server {
        builder: Arc::new(builder()),
        service: TowerToHyperService::new(router),
    };
    let connection_permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    let threads = ConnectionThreads::start();
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
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let (server, watcher) = (server.clone(), connections.watcher());
        let tls = serving.tls.clone();
        threads.spawn(stream, move |stream| async move {
            match tls {
                None => server.serve_connection(stream, watcher).await,
                Some(tls) => server.serve_tls_connection(stream, &tls, watcher).await,
            }
            drop(permit);
        });
    }
    drop(listener);
    serving.draining.cancel();
    let mut ended = pin!(connections.shutdown());
    if tokio::time::timeout(serving.drain, &mut ended)
        .await
        .is_err()
    {
        tracing::warn!("running calls stopped at the end of the drain");
        serving.shutdown.cancel();
        let _ = tokio::time::timeout(MAX_FLUSH_TIME, &mut ended).await;
    }
    serving.shutdown.cancel();
}

/// Returns the connection builder with all limits set.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .keep_alive_interval(Some(MAX_HEAD_TIME));
    builder
}

/// The HTTP server for one connection.
#[derive(Clone)]
struct Server {
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: TowerToHyperService<Router>,
}

impl Server {
    async fn serve_tls_connection(self, stream: Stream, tls: &TlsAcceptor, watcher: Watcher) {
        match tokio::time::timeout(MAX_HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_connection(stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        }
    }

    async fn serve_connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let (stream, service) = first_request::within(MAX_HEAD_TIME, stream, self.service);
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}
