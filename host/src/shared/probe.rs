//! Connects to Redis and checks that it can be used.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::config::SharedConfig;
use super::error::{SharedError, is_lasting, short_reason};

/// Time for connecting and checking.
const MAX_CONNECT_TIME: Duration = Duration::from_secs(2);
/// Time for each response. Operations have shorter times of their own.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(2);
/// The oldest version: `LPOP` with a count.
const MIN_VERSION: (u32, u32) = (6, 2);
/// The only policy under which no key disappears before it expires. All keys here expire, so even `volatile-…` evicts them.
const POLICY: &str = "noeviction";

/// The reason there is no connection.
pub(super) enum NotConnected {
    /// Redis may be there later. One clause.
    Away(String),
    /// Redis answers and cannot be used as it is set up.
    Unusable(SharedError),
}

/// Connects, checks the version and the policy of eviction, and writes the presence of this host.
///
/// # Errors
/// Redis is away or cannot be used.
pub(super) async fn connect(
    config: &SharedConfig,
    presence: &redis::Cmd,
) -> Result<MultiplexedConnection, NotConnected> {
    let unusable = |reason: String| {
        NotConnected::Unusable(SharedError {
            url: config.url.clone(),
            reason,
        })
    };
    let failed = |error: RedisError| {
        let reason = short_reason(&error, MAX_CONNECT_TIME);
        if is_lasting(&error) {
            unusable(reason)
        } else {
            NotConnected::Away(reason)
        }
    };
    let connecting = async {
        let client = Client::open(config.url.url()).map_err(failed)?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(MAX_CONNECT_TIME))
            .set_response_timeout(Some(MAX_RESPONSE_TIME));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .map_err(failed)?;
        let info: Vec<u8> = redis::cmd("INFO")
            .query_async(&mut connection)
            .await
            .map_err(failed)?;
        check(&String::from_utf8_lossy(&info)).map_err(unusable)?;
        presence.exec_async(&mut connection).await.map_err(failed)?;
        Ok(connection)
    };
    let timed_out = format!("no answer within {} s", MAX_CONNECT_TIME.as_secs());
    tokio::time::timeout(MAX_CONNECT_TIME, connecting)
        .await
        .unwrap_or(Err(NotConnected::Away(timed_out)))
}

/// Checks the answer to `INFO`.
fn check(info: &str) -> Result<(), String> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let version = field("redis_version").unwrap_or_default();
    if parse_version(version).is_none_or(|version| version < MIN_VERSION) {
        let (major, minor) = MIN_VERSION;
        let version: String = version
            .chars()
            .filter(char::is_ascii_graphic)
            .take(20)
            .collect();
        return Err(format!(
            "its version is {version:?}; Redis {major}.{minor} or newer is needed"
        ));
    }
    match field("maxmemory_policy") {
        None | Some(POLICY) => Ok(()),
        Some(policy) => {
            let policy: String = policy
                .chars()
                .filter(char::is_ascii_graphic)
                .take(20)
                .collect();
            Err(format!(
                "its maxmemory-policy is {policy:?}, under which it drops tasks and rates when its memory \
                 is full; set `maxmemory-policy {POLICY}`"
            ))
        }
    }
}

/// Returns the first two numbers of a version.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_policies_are_checked() {
        let info = |version: &str, policy: &str| {
            format!("# Server\r\nredis_version:{version}\r\nmaxmemory_policy:{policy}\r\n")
        };
        for (version, policy, is_accepted) in [
            ("6.2.0", POLICY, true),
            ("7.0.15", POLICY, true),
            ("10.0", POLICY, true),
            ("6.0.16", POLICY, false),
            ("5.9.9", POLICY, false),
            ("", POLICY, false),
            ("7", POLICY, false),
            ("7.2.4", "allkeys-lru", false),
            ("7.2.4", "volatile-lru", false),
        ] {
            let checked = check(&info(version, policy));
            assert_eq!(
                checked.is_ok(),
                is_accepted,
                "{version} {policy}: {checked:?}"
            );
        }
        assert!(
            check("redis_version:7.0.0\r\n").is_ok(),
            "a service that hides it"
        );
    }
}
