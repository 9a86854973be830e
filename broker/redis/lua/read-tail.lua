#!lua flags=no-writes
-- Reads the last events of a channel, or the last before a position, oldest first.
--
-- KEYS[1]  stream
-- KEYS[2]  head
-- ARGV[1]  size of the history
-- ARGV[2]  retention in ms
-- ARGV[3]  limit, may be 0
-- ARGV[4]  bytes of the page: of names and data
-- ARGV[5]  the position to end before (optional)
-- Returns start, head, known (always 1), more (1 or 0), and then for each event its id and its body.

--@include bounds
--@include pages

local limit, before = tonumber(ARGV[3]), ARGV[5]
local head, floor, exists = bounds(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]))
-- Nothing lies before the origin, and Redis takes an open range that ends there for a mistake.
if not exists or before == '0-0' then return { floor, head, 1, 0 } end

local newest = {}
local function read(from, count)
  return redis.call('XREVRANGE', KEYS[1], from and '(' .. from or '+', '(' .. floor, 'COUNT', count)
end
local function take(id, body) newest[#newest + 1] = { id, body } end
-- The first that is left out is the predecessor of the first that is not.
local beyond = collect(read, before, limit, tonumber(ARGV[4]), take)
local reply = { beyond or floor, head, 1, beyond and 1 or 0 }
for i = #newest, 1, -1 do
  reply[#reply + 1] = newest[i][1]
  reply[#reply + 1] = newest[i][2]
end
return reply
