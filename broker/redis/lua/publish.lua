#!lua
-- Appends an event to a channel's history and sends it to every subscriber, in one step.
--
-- KEYS[1]  stream
-- KEYS[2]  head: the channel's last id
-- KEYS[3]  idempotency key (optional)
-- ARGV[1]  body: name LF data
-- ARGV[2]  how many entries the stream keeps at least: one more than the history's size
-- ARGV[3]  retention in ms
-- ARGV[4]  lifetime of the head in ms, longer than the retention
-- ARGV[5]  pub/sub channel
-- ARGV[6]  PUBLISH, or SPUBLISH on a cluster
-- ARGV[7]  lifetime of the idempotency key in ms
-- ARGV[8]  1 to drop entries that are past the retention, else 0
-- Returns the id; for a repeated key the first event's id in an array of one.
--
-- A full stream keeps at least one entry that is never delivered: the witness of its successor's predecessor. The first
-- entry of a new stream has no entry before it, so it bears its predecessor in the field p. Hence prev is stored nowhere
-- else, and the common case costs four commands. The stream drops whole nodes of entries (some 4 KB), as to drop one at
-- each publish costs a quarter of the throughput; reads leave out what is beyond the size.
--
-- What each half alone means: a stream without a head has had its head evicted, so the stream tells the predecessor. A
-- head without a stream has outlived its history (expired, or evicted): ids and the chain go on from the head.

local stream, head, key = KEYS[1], KEYS[2], KEYS[3]

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The clock's id, or where the clock is not past the last id, that one's successor.
local function nextId(last)
  local ms, seq = string.match(last, '^(%d+)-(%d+)$')
  local clock = now()
  if clock > tonumber(ms) then return string.format('%.0f-0', clock) end
  return string.format('%s-%.0f', ms, seq + 1)
end

if key then
  local seen = redis.call('GET', key)
  if seen then return { seen } end
end

local id, prev
-- Its answer tells for free whether there is a stream.
if redis.call('PEXPIRE', stream, ARGV[3]) == 1 then
  -- An id of * is never below the stream's own last one, also when the clock has stepped back.
  id = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[1])
  prev = redis.call('SET', head, id, 'PX', ARGV[4], 'GET')
  if not prev then
    local before = redis.call('XREVRANGE', stream, '(' .. id, '-', 'COUNT', 1)[1]
    prev = before and before[1] or '0-0'
  end
  if ARGV[8] == '1' then
    local expired = redis.call('XREVRANGE', stream, string.format('%.0f', now() - ARGV[3] - 1), '-', 'COUNT', 1)[1]
    if expired then redis.call('XTRIM', stream, 'MINID', '=', expired[1]) end
  end
else
  prev = redis.call('GET', head) or '0-0'
  id = nextId(prev)
  redis.call('XADD', stream, id, 'p', prev, 'e', ARGV[1])
  redis.call('PEXPIRE', stream, ARGV[3])
  redis.call('SET', head, id, 'PX', ARGV[4])
end

if key then redis.call('SET', key, id, 'PX', ARGV[7]) end
redis.call(ARGV[6], ARGV[5], id .. ' ' .. prev .. ' ' .. ARGV[1])
return id
