//! `[shared]`: the state that several replicas share.

use std::time::Duration;

use super::section::Section;
use crate::shared::{RedisUrl, SharedConfig};

/// Length of `prefix`, which is part of each key.
const MAX_PREFIX_BYTES: usize = 64;

/// The longest `timeout`: a call waits this long when Redis has just gone away.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads `[shared]`. `has_key` tells whether there is a `server.state-key`.
pub(super) fn read_shared(section: Section<'_, '_>, has_key: bool) -> Option<SharedConfig> {
    if section.value("url").is_none() {
        section.error(
            "url",
            "is missing; name a Redis server: \"redis://host:6379\"",
        );
    }
    let url = section.string("url").and_then(|text| {
        RedisUrl::parse(&text)
            .map_err(|error| section.error("url", format!("is not a Redis server: {error}")))
            .ok()
    });
    let prefix = section.parsed(
        "prefix",
        "1 to 64 characters of `A-Z a-z 0-9 _ . : -`",
        |text| is_prefix(text).then(|| text.to_owned()),
    );
    let replicas = section.positive_integer("replicas");
    let timeout = section.duration("timeout");
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT) {
        section.error(
            "timeout",
            format!(
                "must be longer than zero and at most {} s",
                MAX_TIMEOUT.as_secs()
            ),
        );
    }
    if !has_key && url.is_some() {
        section.error(
            "url",
            "needs `server.state-key`, which protects what the replicas share and is the same on all of them; make one \
             with `openssl rand -hex 32`",
        );
    }
    section.finish();
    let mut config = SharedConfig::new(url?);
    if let Some(prefix) = prefix {
        config.prefix = prefix;
    }
    if let Some(replicas) = replicas.and_then(std::num::NonZeroU32::new) {
        config.replicas = replicas;
    }
    if let Some(timeout) = timeout {
        config.timeout = timeout;
    }
    Some(config)
}

fn is_prefix(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    !text.is_empty() && text.len() <= MAX_PREFIX_BYTES && text.bytes().all(is_allowed)
}
