#!lua
-- Enters a member into a channel, and tells of it.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- ARGV[2]  connection
-- ARGV[3]  its entry
-- ARGV[4]  the connection whose place it may take; empty for none
-- ARGV[5]  that one's secret
-- Returns 1; where the claim is another's 0, or -1 if also no member of its gateway is in the channel.

--@include presence

local entry = decode(ARGV[2], ARGV[3])
local own = find(entry.connection)
local previous = ARGV[4] ~= '' and ARGV[4] ~= entry.connection and find(ARGV[4]) or nil
if previous and previous.secret ~= ARGV[5] then previous = nil end

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
