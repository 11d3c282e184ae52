//! The body of a response: bounded in size and time, and hashed as it arrives.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::error::FetchError;
use super::http_client::{host, transport_error};

/// Interval in which the rate is measured. It is longer than the time without a byte that ends a transfer, so that a
/// short pause is forgiven.
const RATE_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes that must arrive in each interval: those of a line of 32 kbit/s. A server could otherwise hold a start for days.
const MIN_INTERVAL_BYTES: u64 = 240 << 10;
/// Time for one transfer. The largest component needs 1.2 Mbit/s.
const MAX_TRANSFER: Duration = Duration::from_secs(30 * 60);

/// The limits on the time of a transfer.
struct TimeLimits {
    interval: Duration,
    min_interval_bytes: u64,
    transfer: Duration,
}

/// The body of a response.
pub(crate) struct Body {
    response: Response,
    host: String,
    /// The kind of thing that is fetched, for errors.
    what: &'static str,
    max_bytes: u64,
    limits: TimeLimits,
    received_bytes: u64,
    hasher: Sha256,
    started: Instant,
    interval_started: Instant,
    interval_bytes: u64,
}

impl Body {
    /// Starts to read a body of at most `max_bytes`.
    ///
    /// # Errors
    /// The response announces more.
    pub(super) fn new(
        response: Response,
        what: &'static str,
        max_bytes: u64,
    ) -> Result<Self, FetchError> {
        let limits = TimeLimits {
            interval: RATE_INTERVAL,
            min_interval_bytes: MIN_INTERVAL_BYTES,
            transfer: MAX_TRANSFER,
        };
        Self::with_limits(response, what, max_bytes, limits)
    }

    fn with_limits(
        response: Response,
        what: &'static str,
        max_bytes: u64,
        limits: TimeLimits,
    ) -> Result<Self, FetchError> {
        let body = Self {
            host: host(response.url()),
            what,
            max_bytes,
            limits,
            received_bytes: 0,
            hasher: Sha256::new(),
            started: Instant::now(),
            interval_started: Instant::now(),
            interval_bytes: 0,
            response,
        };
        match body.response.content_length() {
            Some(announced) if announced > max_bytes => Err(body.too_large()),
            _ => Ok(body),
        }
    }

    /// Returns the next part, or `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// The body is too large or too slow, or the connection broke.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        let chunk = loop {
            let end = self.started + self.limits.transfer;
            let deadline = end.min(self.interval_started + self.limits.interval);
            match tokio::time::timeout_at(deadline, self.response.chunk()).await {
                Ok(chunk) => break chunk,
                Err(_) if deadline == end => {
                    let minutes = self.limits.transfer.as_secs() / 60;
                    return Err(self.too_slow(format!("did not send it within {minutes} minutes")));
                }
                Err(_) => self.end_interval()?,
            }
        };
        let chunk = chunk.map_err(|error| transport_error(error, self.host.clone()))?;
        if let Some(chunk) = &chunk {
            self.received_bytes += chunk.len() as u64;
            self.interval_bytes += chunk.len() as u64;
            if self.received_bytes > self.max_bytes {
                return Err(self.too_large());
            }
            self.hasher.update(chunk);
            if self.interval_started.elapsed() >= self.limits.interval {
                self.end_interval()?;
            }
        }
        Ok(chunk)
    }

    /// Reads the whole body. Returns it with its digest.
    ///
    /// # Errors
    /// Those of [`Body::chunk`].
    pub(crate) async fn read_all(mut self) -> Result<(Vec<u8>, String), FetchError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        let digest = self.digest();
        Ok((bytes, digest))
    }

    /// Returns the digest of what has arrived: `sha256:…`.
    pub(crate) fn digest(&self) -> String {
        digest_text(self.hasher.clone())
    }

    /// Compares the digest of the whole body with the expected one.
    ///
    /// # Errors
    /// It differs.
    pub(crate) fn check_digest(&self, expected: &str) -> Result<(), FetchError> {
        let found = self.digest();
        match found == expected {
            true => Ok(()),
            false => Err(FetchError::Digest {
                host: self.host.clone(),
                found,
                expected: expected.to_owned(),
            }),
        }
    }

    fn end_interval(&mut self) -> Result<(), FetchError> {
        if self.interval_bytes < self.limits.min_interval_bytes {
            let fault = format!(
                "sent only {} bytes in {} s",
                self.interval_bytes,
                self.limits.interval.as_secs()
            );
            return Err(self.too_slow(fault));
        }
        self.interval_started = Instant::now();
        self.interval_bytes = 0;
        Ok(())
    }

    fn too_slow(&self, fault: String) -> FetchError {
        FetchError::TooSlow {
            host: self.host.clone(),
            fault,
        }
    }

    fn too_large(&self) -> FetchError {
        FetchError::TooLarge {
            host: self.host.clone(),
            what: self.what,
            max_bytes: self.max_bytes,
        }
    }
}

/// Returns the digest of some bytes: `sha256:…`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    digest_text(Sha256::new_with_prefix(bytes))
}

pub(super) fn digest_text(hasher: Sha256) -> String {
    let hex = hasher.finalize();
    let hex = hex.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    /// Reads a body of chunks of 1000 bytes that arrive after these pauses, in milliseconds. The limits are 3500 bytes,
    /// 1000 bytes in 200 ms, and 700 ms.
    async fn read(pauses: &'static [u64]) -> Result<(Vec<u8>, String), FetchError> {
        let chunks = futures::stream::iter(pauses).then(|pause| async move {
            tokio::time::sleep(Duration::from_millis(*pause)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000]))
        });
        let response = http::Response::new(reqwest::Body::wrap_stream(chunks));
        let limits = TimeLimits {
            interval: Duration::from_millis(200),
            min_interval_bytes: 1000,
            transfer: Duration::from_millis(700),
        };
        let body = Body::with_limits(response.into(), "a component", 3500, limits)?;
        body.read_all().await
    }

    #[tokio::test]
    async fn slow_and_large_bodies_are_given_up() {
        const PAUSES: [u64; 60] = [20; 60];
        for (pauses, expected) in [
            (&[0, 0, 0][..], None),
            (&[0, 0, 0, 0], Some("more than the 3500 bytes")),
            (&[0, 100_000], Some("sent only 0 bytes")),
            (&[100_000], Some("sent only 0 bytes")),
            (&PAUSES[..3], None),
            (&[0, 50, 100_000], Some("sent only 0 bytes")),
        ] {
            let read = read(pauses).await;
            match expected {
                None => assert!(read.is_ok_and(|(bytes, found)| found == digest(&bytes))),
                Some(part) => {
                    let error = read.expect_err("the limit is exceeded").to_string();
                    assert!(error.contains(part), "{pauses:?}: {error}");
                }
            }
        }
    }
}
