//! The reasons why Redis cannot be used.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

use super::url::RedisUrl;
use crate::text::{ellipsize, escape_untrusted};

/// Length of a text of the server in a sentence.
const MAX_TEXT_BYTES: usize = 200;

/// Redis answers and cannot be used as it is set up: one sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("`shared.url` names {url}, which cannot be used: {reason}")]
pub struct SharedError {
    /// The server, without credentials.
    pub(super) url: RedisUrl,
    pub(super) reason: String,
}

/// Redis is away. An operation was not tried, or it may or may not have had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state that the replicas share cannot be reached now; try again later")]
pub(crate) struct Away;

/// Returns the reason of a failed operation, without credentials. `timeout` is the time that it was given.
pub(crate) fn redis_reason(error: &RedisError, timeout: Duration) -> String {
    if is_auth_failure(error) {
        // The library's text may contain the credentials.
        "it refuses the credentials of the URL".into()
    } else if error.is_timeout() {
        format!("no answer within {} s", timeout.as_secs_f64())
    } else if error.is_connection_refusal() {
        "nothing listens there".into()
    } else {
        error.to_string()
    }
}

/// Like [`redis_reason`], as a short text on one line.
pub(super) fn short_reason(error: &RedisError, timeout: Duration) -> String {
    let reason = redis_reason(error, timeout);
    ellipsize(&escape_untrusted(&reason), MAX_TEXT_BYTES).into_owned()
}

/// Returns whether only the operator can remove the cause of a failed connection.
pub(super) fn is_lasting(error: &RedisError) -> bool {
    is_auth_failure(error)
        || match error.code() {
            // A server that loads its data, or that is about to become the primary, can be used later.
            Some(
                "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "BUSY" | "OOM" | "MISCONF",
            ) => false,
            Some(_) => true,
            None => matches!(
                error.kind(),
                ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported
            ),
        }
}

fn is_auth_failure(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}
