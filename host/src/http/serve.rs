//! The serving loop: connections, their limits, and the shutdown in two stages.

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connection_threads::Workers;
use super::tls::TlsAcceptor;

/// Connections that are open at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a client may take to send the head of a request.
const MAX_HEAD_TIME: Duration = Duration::from_secs(15);
/// The most bytes that the head of a request may have.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Requests that one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 256;
/// How long answers may take to leave after running calls were stopped.
const MAX_FAREWELL: Duration = Duration::from_secs(2);
/// How long a client may take for the TLS handshake.
const MAX_HANDSHAKE: Duration = Duration::from_secs(10);
/// The pause after `accept` failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How to serve.
pub struct Serving {
    /// Makes connections TLS connections.
    pub tls: Option<TlsAcceptor>,
    /// Fires when nothing more is accepted.
    pub draining: CancellationToken,
    /// How long running requests may take to end then.
    pub drain: Duration,
    /// Fires when those that are left must end.
    pub shutdown: CancellationToken,
}

/// Serves until `stop` resolves. Then it accepts nothing more, lets running
/// requests end, stops those that are left, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    serving: Serving,
) {
    let server = Server {
        builder: Arc::new(builder()),
        service: TowerToHyperService::new(router),
    };
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    let workers = Workers::start();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it small streamed answers wait 40 ms for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let (server, watcher) = (server.clone(), connections.watcher());
        let tls = serving.tls.clone();
        workers.spawn(stream, move |stream| async move {
            match tls {
                None => server.connection(stream, watcher).await,
                Some(tls) => server.tls_connection(stream, &tls, watcher).await,
            }
            drop(place);
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
        let _ = tokio::time::timeout(MAX_FAREWELL, &mut ended).await;
    }
    serving.shutdown.cancel();
}

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
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .keep_alive_interval(Some(MAX_HEAD_TIME));
    builder
}

/// What serves one connection.
#[derive(Clone)]
struct Server {
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: TowerToHyperService<Router>,
}

impl Server {
    async fn tls_connection(self, stream: TcpStream, tls: &TlsAcceptor, watcher: Watcher) {
        match tokio::time::timeout(MAX_HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.connection(stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        watcher: Watcher,
    ) {
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), self.service)
            .into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}
