//! Errors of the store, for the operator and for the guest.

use super::limits::{MAX_BATCH_BYTES, MAX_COUNT};
use crate::telemetry::in_call;

/// The reason the store cannot be used. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("the data of `wasi:keyvalue` in `{path}` cannot be used: {reason}")]
    File {
        /// The file's path.
        path: String,
        /// The cause.
        reason: String,
    },
    /// Redis cannot be used.
    #[error("the data of `wasi:keyvalue` at {url} cannot be used: {reason}")]
    Redis {
        /// The URL without credentials.
        url: String,
        /// The cause.
        reason: String,
    },
}

/// The error of an operation, as the guest receives it.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "rustc 1.97 wants it as public as the generated traits that name it"
)]
pub enum KeyValueError {
    NoSuchStore,
    AccessDenied,
    /// One sentence.
    Other(String),
}

impl KeyValueError {
    pub(super) fn other(sentence: impl Into<String>) -> Self {
        Self::Other(sentence.into())
    }

    /// Logs the cause for the operator; the guest learns only that the store is unavailable.
    pub(super) fn unavailable(error: &StoreError) -> Self {
        in_call(|| tracing::warn!(%error, "key-value store unavailable"));
        Self::other("the store cannot be used now")
    }

    pub(super) fn quota_exceeded(quota_bytes: u64) -> Self {
        Self::other(format!(
            "the component keeps its {quota_bytes} bytes already; delete something"
        ))
    }

    pub(super) fn batch_too_large() -> Self {
        Self::other(format!(
            "the values are more than {MAX_BATCH_BYTES} bytes together"
        ))
    }

    pub(super) fn longer_than(what: &str, max_bytes: usize) -> Self {
        Self::other(format!("the {what} is longer than {max_bytes} bytes"))
    }

    pub(super) fn not_a_number() -> Self {
        Self::other("the value is no number")
    }

    pub(super) fn count_overflow() -> Self {
        Self::other(format!("the sum is over {MAX_COUNT}"))
    }
}
