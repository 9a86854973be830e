#!lua
-- Appends events to a channel's history and sends them to every subscriber, in one step.
--
-- KEYS[1]  stream
-- KEYS[2]  head: the channel's last id
-- KEYS[3]  idempotency key (optional; with one event only)
-- ARGV[1]  pub/sub channel
-- ARGV[2]  how many entries the stream keeps at least: one more than the history's size
-- ARGV[3]  retention in ms
-- ARGV[4]  1 to give the keys their lifetimes anew and drop entries past the retention, else 0; or an id: as 1, and the events get ids above that
-- ARGV[5]  only where the history is bounded by bytes: how many it may have
-- ARGV[$BODIES] and so on  bodies: name LF data
-- Returns the ids, in the order of the bodies, with spaces between; for a repeated key the first event's id in an array of one.
--
-- The common case costs three commands. What it leaves out is done by whoever publishes after a part of the retention has
-- gone by: the keys live for longer than that, and reads leave out what is past the retention or beyond the size. (The stream drops
-- whole nodes of entries, some 4 KB, as to drop one at each publish costs a quarter of the throughput.)
--
-- A full stream keeps at least one entry that is never delivered: the witness of its successor's predecessor. The first
-- entry of a new stream has no entry before it, so it bears its predecessor in the field p. Hence prev is stored nowhere else.
--
-- What each half alone means: a stream without a head has had its head evicted, so the stream tells the predecessor. A
-- head without a stream has outlived its history (expired, or evicted): ids and the chain go on from the head.

--@include step
--@if bounded
--@include weight

--@end
local stream, head, key = KEYS[1], KEYS[2], KEYS[3]

if key then
  local seen = redis.call('GET', key)
  if seen then return { seen } end
end

local tended = ARGV[4] ~= '0'
local next = #ARGV[4] > 1 and step(stream, head, ARGV[4]) or '*'

-- An id of * is never below the stream's own last one, also when the clock has stepped back. Without a stream there is none.
--@if bounded
local first = weighed(stream, ARGV[$BODIES])
local id = redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[2], next, unpack(first))
--@else
local id = redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', ARGV[2], next, 'e', ARGV[$BODIES])
--@end
local known = id
local prev
if not id then
  prev = redis.call('GET', head) or '0-0'
  -- The clock's id, or where the clock is not past the last id, that one's successor.
  local ms, seq = string.match(prev, '^(%d+)-(%d+)$')
  local time = redis.call('TIME')
  local clock = time[1] * 1000 + math.floor(time[2] / 1000)
  id = clock > tonumber(ms) and string.format('%.0f-0', clock) or string.format('%s-%.0f', ms, seq + 1)
  if next ~= '*' then id = next end
--@if bounded
  redis.call('XADD', stream, id, 'p', prev, unpack(first))
--@else
  redis.call('XADD', stream, id, 'p', prev, 'e', ARGV[$BODIES])
--@end
end

local last, more = id, nil
if #ARGV > $BODIES then
  more = {}
  for i = $BODIES + 1, #ARGV do
--@if bounded
    last = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], '*', unpack(weighed(stream, ARGV[i])))
--@else
    last = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[i])
--@end
    more[i - $BODIES] = last
  end
end
--@if bounded
if floor then redis.call('XTRIM', stream, 'MINID', '~', floor) end
--@end

local remembered = redis.call('SET', head, last, 'KEEPTTL', 'GET')
if known and remembered then
  prev = remembered
elseif known then
  local before = redis.call('XREVRANGE', stream, '(' .. id, '-', 'COUNT', 1)[1]
  prev = before and before[1] or '0-0'
end

if tended or not known or not remembered then
  local time = redis.call('TIME')
  local cutoff = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[3]
  local expired = redis.call('XREVRANGE', stream, string.format('%.0f', cutoff - 1), '-', 'COUNT', 1)[1]
  if expired then redis.call('XTRIM', stream, 'MINID', '=', expired[1]) end
  local lifetime = math.ceil(ARGV[3] * (1 + $SPARE_LIFETIME))
  redis.call('PEXPIRE', stream, lifetime)
  redis.call('PEXPIRE', head, lifetime + $HEAD_EXTRA_LIFETIME_MS)
end
if key then redis.call('SET', key, id, 'PX', '$KEY_LIFETIME_MS') end

redis.call('$PUBLISH', ARGV[1], id .. ' ' .. prev .. ' ' .. ARGV[$BODIES])
if not more then return id end
prev = id
for i = 1, #more do
  redis.call('$PUBLISH', ARGV[1], more[i] .. ' ' .. prev .. ' ' .. ARGV[i + $BODIES])
  prev = more[i]
end
return id .. ' ' .. table.concat(more, ' ')
