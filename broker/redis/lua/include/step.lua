-- After another server took over. It may lack the last events of the one before, and its clock may be behind: ids as it would give them could
-- be those of events that are lost. `least` is an id which nothing that is lost can be above. Returns the id for the next event: one that is above
-- both that and the last one that is known here, or `*` where the clock has passed them all.
local function step(stream, head, least)
  local leastMs, seq = string.match(least, '^(%d+)-(%d+)$')
  local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local last = redis.call('GET', head) or (entry and entry[1]) or '0-0'
  local above = math.max(tonumber(leastMs), tonumber(string.match(last, '^%d+')) + 1)
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) > above then return '*' end
  return string.format('%.0f-%s', above, seq)
end
