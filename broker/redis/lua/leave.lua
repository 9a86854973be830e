#!lua flags=allow-oom
-- Removes a member from a channel, and tells of it.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- ARGV[2]  connection
-- ARGV[3] and so on  gateways
-- Returns for each of these gateways 1 if it has a member in the channel now, else 0.

--@include presence

local entry = find(ARGV[2])
if entry then
  remove(entry)
  tellLeft(entry)
end

local reply = {}
for i = 3, #ARGV do reply[i - 2] = redis.call('HEXISTS', index, 'g' .. ARGV[i]) end
return reply
