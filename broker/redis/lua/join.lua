#!lua
-- Enters a member into a channel, and tells of it.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- KEYS[3]  up to which join of this connection all were undone, where any was
-- ARGV[2]  the number of this join
-- ARGV[3]  connection
-- ARGV[4]  its entry
-- ARGV[5]  the connection whose place it may take; empty for none
-- ARGV[6]  that one's secret
-- Returns 1; where the claim is another's, or the join was undone, 0, or -1 if also no member of its gateway is in the channel.

--@include presence

local entry = decode(ARGV[3], ARGV[4])
if tonumber(redis.call('GET', KEYS[3]) or 0) >= tonumber(ARGV[2]) then
  return redis.call('HEXISTS', index, 'g' .. entry.gateway) - 1
end
local own = find(entry.connection)
local previous = ARGV[5] ~= '' and ARGV[5] ~= entry.connection and find(ARGV[5]) or nil
if previous and previous.secret ~= ARGV[6] then previous = nil end

local free, giver = ask(entry.claim, entry.holder, own, previous)
if not free then return redis.call('HEXISTS', index, 'g' .. entry.gateway) - 1 end

-- One takes another's place without a word if both are anonymous or of one user, and both or neither are told of.
local function isKin(other)
  return other and other.user == entry.user and other.announce == entry.announce
end

local wasThere = isThere(entry.user)
local place = own or isKin(previous) and previous or isKin(giver) and giver or nil
if own then remove(own) end
if previous then remove(previous) end
if giver then remove(giver) end
add(entry)

if previous and previous ~= place then tellLeft(previous) end
if giver and giver ~= place then tellLeft(giver) end
if own then return 1 end
if place then
  tellRenamed(entry, place.name)
elseif not wasThere then
  tell('joined', entry)
end
return 1
