#!lua flags=no-writes
-- Lists who is in a channel.
--
-- KEYS[1]  members, as in include/presence.lua
-- ARGV[1]  limit, may be 0
-- ARGV[2]  bytes of the list: of connections and entries; the first member is listed in any case
-- ARGV[3] and so on  the gateways whose members count
-- Returns whether some are left out (1 or 0), and then for each member its connection and its entry.

local limit, maxBytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local counts = {}
for i = 3, #ARGV do counts[ARGV[i]] = true end

-- A scan that ends with the limit costs no more than that of a large hash; it may come by one member twice.
local reply, listed, cursor, bytes = { 0 }, {}, '0', 0
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 100)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local connection, entry = page[2][i], page[2][i + 1]
    if not listed[connection] and counts[string.match(entry, '^[^\n]*')] then
      bytes = bytes + #connection + #entry
      if #reply > 2 * limit or (#reply > 1 and bytes > maxBytes) then
        reply[1] = 1
        return reply
      end
      listed[connection] = true
      reply[#reply + 1] = connection
      reply[#reply + 1] = entry
    end
  end
until cursor == '0'
return reply
