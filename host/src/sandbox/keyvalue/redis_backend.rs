//! The store that several hosts share.
//!
//! A bucket is a hash of its values and a sorted set of its keys; a component's bytes are counted in a number of its own.
//! Scripts keep the three in step. The component's name stands in braces, so that a cluster keeps them on one node.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, FromRedisValue, RedisError, Script};

use super::location::RedisUrl;
use super::{
    ENTRY_OVERHEAD_BYTES, KeyValueError, MAX_BATCH_BYTES, MAX_COUNT, MAX_KEYS, Page, StoreError,
    over_quota, page, place_of,
};

/// How long a connection, and then an answer, may take.
const TIME: Duration = Duration::from_secs(5);
/// Further tries before an operation fails.
const RETRIES: usize = 2;

/// KEYS: values, keys, bytes. ARGV: quota, overhead, then key, value and place of each entry.
const SET: &str = r"
local grown = 0
for i = 3, #ARGV, 3 do
  local key, value = ARGV[i], ARGV[i + 1]
  if redis.call('HEXISTS', KEYS[1], key) == 1 then
    grown = grown + #value - redis.call('HSTRLEN', KEYS[1], key)
  else
    grown = grown + #key + #value + tonumber(ARGV[2])
  end
end
local used = tonumber(redis.call('GET', KEYS[3]) or '0') + grown
if grown > 0 and used > tonumber(ARGV[1]) then
  return redis.error_reply('QUOTA used up')
end
for i = 3, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i])
end
redis.call('INCRBY', KEYS[3], string.format('%d', grown))
return 0";

/// KEYS: values, keys, bytes. ARGV: overhead, then the keys.
const DELETE: &str = r"
for i = 2, #ARGV do
  local key = ARGV[i]
  local length = redis.call('HSTRLEN', KEYS[1], key)
  if redis.call('HDEL', KEYS[1], key) == 1 then
    redis.call('ZREM', KEYS[2], key)
    redis.call('DECRBY', KEYS[3], string.format('%d', #key + length + tonumber(ARGV[1])))
  end
end
return 0";

/// KEYS: values, keys, bytes. ARGV: quota, overhead, key, delta, place.
const INCREMENT: &str = r"
local key = ARGV[3]
local old = redis.call('HGET', KEYS[1], key)
local before = 0
if old then
  if old ~= '0' and not string.match(old, '^[1-9]%d*$') then
    return redis.error_reply('NUMBER expected')
  end
  before = #old
else
  before = -#key - tonumber(ARGV[2])
end
local sum = redis.pcall('HINCRBY', KEYS[1], key, ARGV[4])
if type(sum) == 'table' and sum.err then
  return redis.error_reply('OVERFLOW of the sum')
end
local digits = redis.call('HGET', KEYS[1], key)
local grown = #digits - before
local used = tonumber(redis.call('GET', KEYS[3]) or '0') + grown
if grown > 0 and used > tonumber(ARGV[1]) then
  if old then
    redis.call('HSET', KEYS[1], key, old)
  else
    redis.call('HDEL', KEYS[1], key)
  end
  return redis.error_reply('QUOTA used up')
end
redis.call('ZADD', KEYS[2], ARGV[5], key)
redis.call('INCRBY', KEYS[3], string.format('%d', grown))
return digits";

/// KEYS: values. ARGV: the most bytes, then the keys.
const GET: &str = r"
local found, bytes = {}, 0
for i = 2, #ARGV do
  bytes = bytes + redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if bytes > tonumber(ARGV[1]) then
    return redis.error_reply('LARGE values')
  end
  found[i - 1] = redis.call('HGET', KEYS[1], ARGV[i])
end
return found";

/// A Redis, connected to when it is first needed.
pub(super) struct Redis {
    url: RedisUrl,
    connection: tokio::sync::OnceCell<ConnectionManager>,
}

impl Redis {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self {
            url,
            connection: tokio::sync::OnceCell::new(),
        }
    }

    pub(super) async fn open(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let pong: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
        pong.map(drop).map_err(|error| self.cannot(&error))
    }

    pub(super) async fn get(
        &self,
        component: &str,
        space: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        let script = Script::new(GET);
        let mut call = script.key(values(component, space));
        call.arg(MAX_BATCH_BYTES).arg(&keys);
        self.invoke(&call, 0).await
    }

    pub(super) async fn exists(
        &self,
        component: &str,
        space: &str,
        key: String,
    ) -> Result<bool, KeyValueError> {
        let mut connection = self
            .connection()
            .await
            .map_err(|e| KeyValueError::store(&e))?;
        redis::cmd("HEXISTS")
            .arg(values(component, space))
            .arg(key)
            .query_async(&mut connection)
            .await
            .map_err(|error| KeyValueError::store(&self.cannot(&error)))
    }

    pub(super) async fn set(
        &self,
        component: &str,
        space: &str,
        entries: Vec<(String, Vec<u8>)>,
        quota_bytes: u64,
    ) -> Result<(), KeyValueError> {
        let script = Script::new(SET);
        let mut call = script.key(values(component, space));
        call.key(keys(component, space)).key(used(component));
        call.arg(quota_bytes).arg(ENTRY_OVERHEAD_BYTES);
        for (key, value) in &entries {
            call.arg(key).arg(value).arg(place_of(key));
        }
        self.invoke(&call, quota_bytes).await
    }

    pub(super) async fn delete(
        &self,
        component: &str,
        space: &str,
        names: Vec<String>,
    ) -> Result<(), KeyValueError> {
        let script = Script::new(DELETE);
        let mut call = script.key(values(component, space));
        call.key(keys(component, space)).key(used(component));
        call.arg(ENTRY_OVERHEAD_BYTES).arg(&names);
        self.invoke(&call, 0).await
    }

    pub(super) async fn increment(
        &self,
        component: &str,
        space: &str,
        key: String,
        delta: u64,
        quota_bytes: u64,
    ) -> Result<u64, KeyValueError> {
        if delta > MAX_COUNT {
            return Err(over_count());
        }
        let script = Script::new(INCREMENT);
        let mut call = script.key(values(component, space));
        call.key(keys(component, space)).key(used(component));
        call.arg(quota_bytes).arg(ENTRY_OVERHEAD_BYTES);
        call.arg(&key).arg(delta).arg(place_of(&key));
        self.invoke(&call, quota_bytes).await
    }

    pub(super) async fn list(
        &self,
        component: &str,
        space: &str,
        from: u64,
    ) -> Result<Page, KeyValueError> {
        let mut connection = self
            .connection()
            .await
            .map_err(|e| KeyValueError::store(&e))?;
        let found: Vec<(String, f64)> = redis::cmd("ZRANGEBYSCORE")
            .arg(keys(component, space))
            .arg(from)
            .arg("+inf")
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(MAX_KEYS + 1)
            .query_async(&mut connection)
            .await
            .map_err(|error| KeyValueError::store(&self.cannot(&error)))?;
        // A place has 53 bits, which a score holds exactly.
        page(
            found
                .into_iter()
                .map(|(key, place)| (place as u64, key))
                .collect(),
        )
    }

    async fn invoke<T: FromRedisValue>(
        &self,
        call: &redis::ScriptInvocation<'_>,
        quota_bytes: u64,
    ) -> Result<T, KeyValueError> {
        let mut connection = self
            .connection()
            .await
            .map_err(|e| KeyValueError::store(&e))?;
        call.invoke_async(&mut connection)
            .await
            .map_err(|error| match error.code() {
                Some("QUOTA") => over_quota(quota_bytes),
                Some("NUMBER") => KeyValueError::other("the value is no number"),
                Some("OVERFLOW") => over_count(),
                Some("LARGE") => KeyValueError::other(format!(
                    "the values are more than {MAX_BATCH_BYTES} bytes together"
                )),
                _ => KeyValueError::store(&self.cannot(&error)),
            })
    }

    async fn connection(&self) -> Result<ConnectionManager, StoreError> {
        let connect = || async {
            let client = Client::open(self.url.url())?;
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(TIME))
                .set_response_timeout(Some(TIME))
                .set_number_of_retries(RETRIES);
            ConnectionManager::new_with_config(client, config).await
        };
        let connected = self.connection.get_or_try_init(connect).await;
        connected.cloned().map_err(|error| self.cannot(&error))
    }

    fn cannot(&self, error: &RedisError) -> StoreError {
        // The library's own words may hold the URL's.
        let why = match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
                "it refuses the credentials of the URL".into()
            }
            _ if error.kind() == ErrorKind::AuthenticationFailed => {
                "it refuses the credentials of the URL".into()
            }
            _ if error.is_timeout() => format!("no answer within {} s", TIME.as_secs()),
            _ if error.is_connection_refusal() => "nothing listens there".into(),
            _ => error.to_string(),
        };
        StoreError::Redis(self.url.to_string(), why)
    }
}

fn over_count() -> KeyValueError {
    KeyValueError::other(format!("the sum is over {MAX_COUNT}"))
}

fn values(component: &str, space: &str) -> String {
    format!("toolcrib:{{{component}}}:values:{space}")
}

fn keys(component: &str, space: &str) -> String {
    format!("toolcrib:{{{component}}}:keys:{space}")
}

fn used(component: &str) -> String {
    format!("toolcrib:{{{component}}}:used")
}
