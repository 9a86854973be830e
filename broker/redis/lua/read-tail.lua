#!lua flags=no-writes
-- Reads the last events of a channel, or the last before a position, oldest first.
--
-- KEYS[1]  stream
-- KEYS[2]  head
-- ARGV[1]  size of the history
-- ARGV[2]  retention in ms
-- ARGV[3]  limit, may be 0
-- ARGV[4]  the position to end before (optional)
-- Returns start, head, known (always 1), more (1 or 0), and then for each event its id and its body.

--@include bounds

local limit, before = tonumber(ARGV[3]), ARGV[4]
local head, floor, exists = bounds(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]))
-- Nothing lies before the origin, and Redis takes an open range that ends there for a mistake.
if not exists or before == '0-0' then return { floor, head, 1, 0 } end

-- One more than asked for: it tells whether there is more, and it is the predecessor of the first.
local entries = redis.call('XREVRANGE', KEYS[1], before and '(' .. before or '+', '(' .. floor, 'COUNT', limit + 1)
local more = #entries > limit
local reply = { more and entries[limit + 1][1] or floor, head, 1, more and 1 or 0 }
for i = math.min(limit, #entries), 1, -1 do append(reply, entries[i]) end
return reply
