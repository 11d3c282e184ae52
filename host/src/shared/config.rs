//! The settings of the shared state.

use std::num::NonZeroU32;
use std::time::Duration;

use super::url::RedisUrl;

/// `[shared]`: the Redis server through which several hosts share their state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedConfig {
    /// The server.
    pub url: RedisUrl,
    /// The beginning of all keys. Hosts with the same prefix share their state.
    pub prefix: String,
    /// The number of hosts, by which rates are divided while Redis is away.
    pub replicas: NonZeroU32,
    /// Time that a call waits for Redis.
    pub timeout: Duration,
}

impl SharedConfig {
    /// Settings for a server, with the defaults for everything else.
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            prefix: "toolcrib".into(),
            replicas: NonZeroU32::MIN,
            timeout: Duration::from_millis(100),
        }
    }

    /// Returns the beginning of all keys of one kind. The braces are a hash tag: a Redis cluster keeps all keys on one node,
    /// as the scripts need it.
    pub(super) fn key_prefix(&self, kind: &str) -> String {
        format!("{{{}}}:{kind}:", self.prefix)
    }
}
