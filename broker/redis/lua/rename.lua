#!lua
-- Gives a member another name and claim, and tells of it.
--
-- KEYS[1], KEYS[2], ARGV[1]  as in include/presence.lua
-- ARGV[2]  connection
-- ARGV[3]  name
-- ARGV[4]  claim
-- Returns 1, or 0 where the claim is another's or there is no such member.

--@include presence

local own = find(ARGV[2])
if not own then return 0 end
local free, giver = ask(ARGV[4], own.holder, own)
if not free then return 0 end

remove(own)
if giver then remove(giver) end
local old = own.name
own.name, own.claim = ARGV[3], ARGV[4]
add(own)

if giver then tellLeft(giver) end
tellRenamed(own, old)
return 1
