//! The HTTP client of the exporter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::Client;
use tokio::runtime::Handle;

use crate::text::error_chain;

/// Time for a request. The exporter's own time-out cannot end it.
const MAX_REQUEST: Duration = Duration::from_secs(10);
/// Size of a response. A collector answers with a few bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// Sends the requests of the exporter's thread on the async runtime. A collector that is away is logged once.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Collector {
    /// To be called in the async runtime.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            runtime: Handle::current(),
            is_failing: AtomicBool::new(false),
        }
    }

    fn report(&self, failure: Option<String>) {
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !was_failing => {
                tracing::warn!(error, "spans not sent to the collector; calls go on");
            }
            None if was_failing => tracing::info!("spans are sent to the collector again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let sending = send(self.client.clone(), request);
        let sending = async { tokio::time::timeout(MAX_REQUEST, sending).await };
        let result = match self.runtime.spawn(sending).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(format!("no response within {MAX_REQUEST:?}").into()),
            // The host ends.
            Err(error) => return Err(error.into()),
        };
        self.report(match &result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status())),
            Err(error) => Some(error_chain(&**error)),
        });
        result
    }
}

async fn send(
    client: Client,
    request: reqwest::Request,
) -> Result<http::Response<Bytes>, HttpError> {
    let mut response = client.execute(request).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err("the response of the collector is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = http::Response::new(body.freeze());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}
