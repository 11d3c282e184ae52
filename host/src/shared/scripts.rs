//! The Lua scripts of the shared state. Redis runs a script atomically.

/// Counts a call with the generic cell rate algorithm (GCRA): the key holds the time at which the caller would have used up
/// what it may use, in microseconds. Returns 0, or the time in microseconds until the next call is allowed.
///
/// KEYS: the caller's rate. ARGV: microseconds for one call, calls at once.
pub(super) const RATE: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval = tonumber(ARGV[1])
local window = interval * tonumber(ARGV[2])
local used = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- The clock may have been set back.
used = math.min(math.max(used, now), now + window) + interval
if used - window > now then
  return math.ceil(used - window - now)
end
redis.call('SET', KEYS[1], string.format('%.0f', used), 'PX', math.ceil((used - now) / 1000))
return 0";

/// Writes the state of a task, unless it has ended. Returns 0 if another host has ended it, else 1.
///
/// KEYS: task. ARGV: owner, state, 1 if it ends the task, milliseconds until the task is forgotten.
pub(super) const PUBLISH: &str = r"
local ended = redis.call('HGET', KEYS[1], 'ended')
if ended then
  return ended == ARGV[1] and 1 or 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'state', ARGV[2])
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'ended', ARGV[1])
end
redis.call('HINCRBY', KEYS[1], 'serial', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// Returns the state of a task and whether its owner died, or an empty list if there is no such task. Ends a task whose
/// owner died.
///
/// KEYS: task. ARGV: prefix of presences, maximum size of a state, 1 if an absent presence means that the host is dead.
pub(super) const READ: &str = r"
local found = redis.call('HMGET', KEYS[1], 'owner', 'ended')
if not found[1] or redis.call('HSTRLEN', KEYS[1], 'state') > tonumber(ARGV[2]) then
  return {}
end
local ended = found[2]
if not ended and ARGV[3] == '1' and redis.call('EXISTS', ARGV[1] .. found[1]) == 0 then
  ended = 'dead'
  redis.call('HSET', KEYS[1], 'ended', ended)
  redis.call('HINCRBY', KEYS[1], 'serial', 1)
end
return {redis.call('HGET', KEYS[1], 'state'), ended == 'dead' and '1' or '0'}";

/// Adds a message to the inbox of a task's owner. Returns the serial number of the task's state, -1 if there is no such
/// task, -2 if it has ended, or -3 if the inbox is full.
///
/// KEYS: task. ARGV: prefix of inboxes, message, maximum number of messages, milliseconds until the inbox is forgotten.
pub(super) const SEND: &str = r"
local found = redis.call('HMGET', KEYS[1], 'owner', 'ended', 'serial')
if not found[1] then
  return -1
elseif found[2] then
  return -2
end
local inbox = ARGV[1] .. found[1]
if redis.call('LLEN', inbox) >= tonumber(ARGV[3]) then
  return -3
end
redis.call('RPUSH', inbox, ARGV[2])
redis.call('PEXPIRE', inbox, ARGV[4])
return tonumber(found[3] or '0')";

/// Removes and returns the first messages of an inbox. A message that is too large is removed and not returned.
///
/// KEYS: inbox. ARGV: maximum number of messages, maximum size of a message.
pub(super) const RECEIVE: &str = r"
local messages = {}
for _, message in ipairs(redis.call('LPOP', KEYS[1], ARGV[1]) or {}) do
  if #message <= tonumber(ARGV[2]) then
    messages[#messages + 1] = message
  end
end
return messages";
