#!lua flags=no-writes
-- Reads a channel's events after a position, oldest first.
--
-- KEYS[1]  stream
-- KEYS[2]  head
-- ARGV[1]  size of the history
-- ARGV[2]  retention in ms
-- ARGV[3]  position
-- ARGV[4]  limit, at least 1
-- ARGV[5]  bytes of the page: of names and data
-- Returns start, head, known (1 or 0), more (1 or 0), and then for each event its id and its body.

--@include bounds
--@include pages

local position, limit = ARGV[3], tonumber(ARGV[4])
local head, floor, exists = bounds(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]))
if not exists or position == head then return { head, head, position == head and 1 or 0, 0 } end

-- An unknown position lies between two events, or before the floor: the read starts at the newest event not after it.
local start = floor
if isAfter(position, floor) then
  local at = redis.call('XREVRANGE', KEYS[1], position, '-', 'COUNT', 1)[1]
  if at and isAfter(at[1], floor) then start = at[1] end
end

local reply = { start, head, start == position and 1 or 0, 0 }
local function read(from, count) return redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', count) end
local function take(id, body)
  reply[#reply + 1] = id
  reply[#reply + 1] = body
end
if collect(read, start, limit, tonumber(ARGV[5]), take) then reply[4] = 1 end
return reply
