//! The backend for Redis, which several hosts can share.
//!
//! A bucket is a hash of its values and a sorted set of its keys; the bytes that a component uses are counted in a key
//! of their own. Scripts keep the three consistent. The component's name is in braces (a hash tag), so that a Redis
//! cluster stores all of its data on one node.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::sync::OnceCell;
use wasmtime_wasi::async_trait;

use super::backend::{Backend, Keyspace, Page, list_position, to_page};
use super::error::{KeyValueError, StoreError};
use super::limits::{ENTRY_OVERHEAD_BYTES, MAX_BATCH_BYTES, MAX_COUNT, MAX_KEYS};
use super::redis_scripts as scripts;
use crate::shared::{RedisUrl, redis_reason};

/// Maximum time for connecting, and for each response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts to reconnect before an operation fails.
const MAX_RETRIES: usize = 2;

/// A Redis server.
pub(super) struct RedisBackend {
    url: RedisUrl,
    connection: OnceCell<ConnectionManager>,
}

impl RedisBackend {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self {
            url,
            connection: OnceCell::new(),
        }
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, KeyValueError> {
        let mut connection = self.connection_for_guest().await?;
        command
            .query_async(&mut connection)
            .await
            .map_err(|error| KeyValueError::unavailable(&self.store_error(&error)))
    }

    async fn run_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        quota_bytes: u64,
    ) -> Result<T, KeyValueError> {
        let mut connection = self.connection_for_guest().await?;
        script
            .invoke_async(&mut connection)
            .await
            .map_err(|error| match error.code() {
                Some(scripts::QUOTA_CODE) => KeyValueError::quota_exceeded(quota_bytes),
                Some(scripts::NUMBER_CODE) => KeyValueError::not_a_number(),
                Some(scripts::OVERFLOW_CODE) => KeyValueError::count_overflow(),
                Some(scripts::LARGE_CODE) => KeyValueError::batch_too_large(),
                _ => KeyValueError::unavailable(&self.store_error(&error)),
            })
    }

    async fn connection_for_guest(&self) -> Result<ConnectionManager, KeyValueError> {
        self.connection()
            .await
            .map_err(|error| KeyValueError::unavailable(&error))
    }

    async fn connection(&self) -> Result<ConnectionManager, StoreError> {
        let connect = || async {
            let client = Client::open(self.url.url())?;
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(TIMEOUT))
                .set_response_timeout(Some(TIMEOUT))
                .set_number_of_retries(MAX_RETRIES);
            ConnectionManager::new_with_config(client, config).await
        };
        let connected = self.connection.get_or_try_init(connect).await;
        connected.cloned().map_err(|error| self.store_error(&error))
    }

    fn store_error(&self, error: &RedisError) -> StoreError {
        StoreError::Redis {
            url: self.url.to_string(),
            reason: redis_reason(error, TIMEOUT),
        }
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn open(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let pong: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
        pong.map(drop).map_err(|error| self.store_error(&error))
    }

    async fn get(
        &self,
        keyspace: &Keyspace,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let script = Script::new(scripts::GET);
        let mut call = script.key(values_key(keyspace));
        call.arg(MAX_BATCH_BYTES).arg(&keys);
        self.run_script(&call, keyspace.quota_bytes).await
    }

    async fn exists(&self, keyspace: &Keyspace, key: String) -> Result<bool, KeyValueError> {
        let mut command = redis::cmd("HEXISTS");
        command.arg(values_key(keyspace)).arg(key);
        self.run(&command).await
    }

    async fn set(
        &self,
        keyspace: &Keyspace,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), KeyValueError> {
        let script = Script::new(scripts::SET);
        let mut call = writing(&script, keyspace);
        call.arg(keyspace.quota_bytes).arg(ENTRY_OVERHEAD_BYTES);
        for (key, value) in &entries {
            call.arg(key).arg(value).arg(list_position(key));
        }
        self.run_script(&call, keyspace.quota_bytes).await
    }

    async fn delete(&self, keyspace: &Keyspace, keys: Vec<String>) -> Result<(), KeyValueError> {
        let script = Script::new(scripts::DELETE);
        let mut call = writing(&script, keyspace);
        call.arg(ENTRY_OVERHEAD_BYTES).arg(&keys);
        self.run_script(&call, keyspace.quota_bytes).await
    }

    async fn increment(
        &self,
        keyspace: &Keyspace,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyValueError> {
        // Redis would reject the argument with an error of its own.
        if delta > MAX_COUNT {
            return Err(KeyValueError::count_overflow());
        }
        let script = Script::new(scripts::INCREMENT);
        let mut call = writing(&script, keyspace);
        call.arg(keyspace.quota_bytes).arg(ENTRY_OVERHEAD_BYTES);
        call.arg(&key).arg(delta).arg(list_position(&key));
        self.run_script(&call, keyspace.quota_bytes).await
    }

    async fn list_keys(&self, keyspace: &Keyspace, cursor: u64) -> Result<Page, KeyValueError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command
            .arg(keys_key(keyspace))
            .arg(cursor)
            .arg("+inf")
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(MAX_KEYS + 1);
        let found: Vec<(String, f64)> = self.run(&command).await?;
        let positioned = found.into_iter().map(|(key, score)| (score as u64, key));
        to_page(positioned.collect())
    }
}

/// Starts the invocation of a script that writes, with its three keys.
fn writing<'s>(script: &'s Script, keyspace: &Keyspace) -> ScriptInvocation<'s> {
    let mut call = script.key(values_key(keyspace));
    call.key(keys_key(keyspace)).key(usage_key(keyspace));
    call
}

/// The hash of a bucket's values.
fn values_key(
    Keyspace {
        component, path, ..
    }: &Keyspace,
) -> String {
    format!("toolcrib:{{{component}}}:values:{path}")
}

/// The sorted set of a bucket's keys.
fn keys_key(
    Keyspace {
        component, path, ..
    }: &Keyspace,
) -> String {
    format!("toolcrib:{{{component}}}:keys:{path}")
}

/// The number of bytes that a component uses.
fn usage_key(Keyspace { component, .. }: &Keyspace) -> String {
    format!("toolcrib:{{{component}}}:used")
}
