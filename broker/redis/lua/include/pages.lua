-- Takes entries of a stream one after the other, by steps so small that Redis never holds much more than a page.
--
-- read   gets the id behind which it goes on and how many entries at most, and returns entries
-- from   where it begins
-- limit, maxBytes  what is taken at most; the first entry is taken however large it is, if the limit is not 0
-- take   gets each entry that is taken, and its body
-- Returns the id of the first entry that is left out, or nil; how many were taken; and the id of the last of them.
local function collect(read, from, limit, maxBytes, take)
  local taken, bytes = 0, 0
  while true do
    local fit = taken == 0 and 1 or math.floor((maxBytes - bytes) * taken / math.max(bytes, 1)) + 1
    local count = math.max(1, math.min($PAGE_STEP, limit + 1 - taken, fit))
    local entries = read(from, count)
    for i = 1, #entries do
      local id, fields = entries[i][1], entries[i][2]
      local body = fields[#fields]
      if taken == limit or (taken > 0 and bytes + #body > maxBytes) then return id, taken, from end
      taken, bytes, from = taken + 1, bytes + #body, id
      take(id, body)
    end
    if #entries < count then return nil, taken, from end
  end
end
