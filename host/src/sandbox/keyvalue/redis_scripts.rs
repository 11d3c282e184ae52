//! The Lua scripts of the Redis backend.
//!
//! Redis runs a script atomically. Each script that writes keeps the hash of values, the sorted set of keys and the
//! component's usage consistent. An error reply begins with one of the codes below, followed by a text.

/// The component would exceed its quota.
pub(super) const QUOTA_CODE: &str = "QUOTA";
/// The value of the counter is not a number.
pub(super) const NUMBER_CODE: &str = "NUMBER";
/// The sum is too large.
pub(super) const OVERFLOW_CODE: &str = "OVERFLOW";
/// The values of a batch are too large.
pub(super) const LARGE_CODE: &str = "LARGE";

/// Returns the values of several keys.
///
/// KEYS: values. ARGV: maximum number of bytes, then the keys.
pub(super) const GET: &str = r"
local found, bytes = {}, 0
for i = 2, #ARGV do
  bytes = bytes + redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if bytes > tonumber(ARGV[1]) then
    return redis.error_reply('LARGE values')
  end
  found[i - 1] = redis.call('HGET', KEYS[1], ARGV[i])
end
return found";

/// Sets several entries, unless the component would exceed its quota.
///
/// KEYS: values, keys, usage. ARGV: quota, overhead, then key, value and position of each entry.
pub(super) const SET: &str = r"
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

/// Deletes several keys.
///
/// KEYS: values, keys, usage. ARGV: overhead, then the keys.
pub(super) const DELETE: &str = r"
for i = 2, #ARGV do
  local key = ARGV[i]
  local length = redis.call('HSTRLEN', KEYS[1], key)
  if redis.call('HDEL', KEYS[1], key) == 1 then
    redis.call('ZREM', KEYS[2], key)
    redis.call('DECRBY', KEYS[3], string.format('%d', #key + length + tonumber(ARGV[1])))
  end
end
return 0";

/// Increments a counter and returns its digits. Reverts the change if the component would exceed its quota.
///
/// KEYS: values, keys, usage. ARGV: quota, overhead, key, delta, position.
pub(super) const INCREMENT: &str = r"
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
