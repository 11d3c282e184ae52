//! A connect timeout for each request.
//!
//! reqwest has one connect timeout per client and does not report when a connection is established. This connector
//! layer supplies both, through a task-local value of the request.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tower::{Layer, Service};

/// Maximum time for a connection: name lookup, TCP and TLS.
pub(super) const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

tokio::task_local! {
    /// The connection of the request that the current task sends.
    static CONNECTION: Arc<Connection>;
}

/// The connection of one request.
pub(super) struct Connection {
    timeout: Duration,
    established: Notify,
}

impl Connection {
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            timeout,
            established: Notify::new(),
        })
    }

    /// Runs `request` with this timeout for its connection.
    pub(super) async fn scope<F: Future>(self: &Arc<Self>, request: F) -> F::Output {
        CONNECTION.scope(self.clone(), request).await
    }

    /// Waits until the connection is established.
    pub(super) async fn established(&self) {
        self.established.notified().await;
    }
}

/// The connection was not established within its timeout.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
pub(super) struct ConnectTimeout(#[source] tokio::time::error::Elapsed);

/// Applies the timeout of [`Connection`] to reqwest's connector.
#[derive(Clone)]
pub(super) struct ConnectTimeoutLayer;

impl<S> Layer<S> for ConnectTimeoutLayer {
    type Service = ConnectTimeoutService<S>;

    fn layer(&self, connector: S) -> Self::Service {
        ConnectTimeoutService(connector)
    }
}

/// A connector with the timeout of [`Connection`].
#[derive(Clone)]
pub(super) struct ConnectTimeoutService<S>(S);

impl<S, R> Service<R> for ConnectTimeoutService<S>
where
    S: Service<R, Error = BoxError, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connection = CONNECTION.try_with(Arc::clone).ok();
        let timeout = connection.as_ref().map_or(MAX_CONNECT_TIME, |c| c.timeout);
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = tokio::time::timeout(timeout, connecting)
                .await
                .map_err(ConnectTimeout)?;
            if let Some(connection) = connection {
                connection.established.notify_one();
            }
            connected
        })
    }
}
