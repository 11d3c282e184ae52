//! The metrics on an address of their own, which only the monitoring reaches.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::telemetry::{METRICS_MEDIA_TYPE, Metrics};

/// Connections at the same time; further ones wait. Prometheus uses one.
const MAX_CONNECTIONS: usize = 16;
/// Time for a connection. Prometheus opens a new one after that.
const MAX_CONNECTION_TIME: Duration = Duration::from_secs(120);
/// Time for the head of a request.
const MAX_HEAD_TIME: Duration = Duration::from_secs(30);
/// Size of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Pause after a failed `accept`.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Serves `/metrics`.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
}

impl MetricsServer {
    /// Listens on an address; port 0 picks a free one.
    ///
    /// # Errors
    /// The address cannot be used.
    pub async fn bind(address: SocketAddr, metrics: Metrics) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            metrics,
        })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the returned future is dropped.
    pub async fn serve(self) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let permit = permits.clone().acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let metrics = self.metrics.clone();
                    tokio::spawn(async move {
                        let serving = serve_connection(stream, metrics);
                        let _ = tokio::time::timeout(MAX_CONNECTION_TIME, serving).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "connection for metrics not accepted");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, metrics: Metrics) {
    let service = service_fn(move |request| {
        let response = answer(&request, &metrics);
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "connection for metrics ended");
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || request.uri().path() != "/metrics" {
        let mut response = Response::new(Body::from("the metrics are at /metrics\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = Response::new(Body::from(metrics.expose()));
    let media_type = HeaderValue::from_static(METRICS_MEDIA_TYPE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    response
}
