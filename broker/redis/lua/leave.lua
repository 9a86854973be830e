#!lua flags=allow-oom
-- Removes a member from a channel, and tells of it.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- KEYS[3]  up to which join of this connection all were undone
-- ARGV[2]  the number of the last join that this undoes, where one may still be on its way; else empty
-- ARGV[3]  connection
-- ARGV[4] and so on  gateways
-- Returns for each of these gateways 1 if it has a member in the channel now, else 0.

--@include presence

if ARGV[2] ~= '' then redis.call('SET', KEYS[3], ARGV[2], 'PX', $UNDONE_MS) end
local entry = find(ARGV[3])
if entry then
  remove(entry)
  tellLeft(entry)
end

local reply = {}
for i = 4, #ARGV do reply[i - 3] = redis.call('HEXISTS', index, 'g' .. ARGV[i]) end
return reply
