#!lua flags=no-writes
-- Goes back over the last events of a channel, as far as one call may, to find where they begin.
--
-- KEYS[1]  stream
-- KEYS[2]  head
-- ARGV[1]  size of the history
-- ARGV[2]  retention in ms
-- ARGV[3]  over how many events to go back, may be 0
-- ARGV[4]  how many bytes of events this call may go over
-- ARGV[5]  the event before which it goes on, as a call before this one has returned it (optional)
-- Returns a position, and over how many events it is still to go back from there: 0 where the position is the one asked for.

--@include bounds
--@include pages

local limit = tonumber(ARGV[3])
local _, floor, exists = bounds(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]))
if not exists then return { floor, 0 } end

local function read(from, count)
  return redis.call('XREVRANGE', KEYS[1], from and '(' .. from or '+', '(' .. floor, 'COUNT', count)
end
local beyond, taken, last = collect(read, ARGV[5], limit, tonumber(ARGV[4]), function() end)
if not beyond then return { floor, 0 } end
if taken == limit then return { beyond, 0 } end
return { last, limit - taken }
