#!lua flags=allow-oom
-- Removes a gateway's members from a channel, as far as one page of a scan has them, and tells of each.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- ARGV[2]  gateway
-- ARGV[3]  cursor: where the page before ended, 0 for the first
-- ARGV[4]  how many members a page has, roughly
-- Returns the cursor of the next page (0 if this was the last), and whether the gateway has members still (1 or 0).

--@include presence

local page = redis.call('HSCAN', members, ARGV[3], 'COUNT', ARGV[4])
for i = 1, #page[2], 2 do
  local entry = decode(page[2][i], page[2][i + 1])
  if entry.gateway == ARGV[2] then
    remove(entry)
    tellLeft(entry)
  end
end
return { page[1], redis.call('HEXISTS', index, 'g' .. ARGV[2]) }
