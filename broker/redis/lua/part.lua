#!lua
-- Notes that a member's connection broke. Tells nobody.
--
-- KEYS[1], KEYS[2]  as in include/presence.lua
-- ARGV[1]  connection
-- Returns nothing of use.

--@include presence

local entry = find(ARGV[1])
if entry then
  entry.parted = '1'
  store(entry)
end
return 0
