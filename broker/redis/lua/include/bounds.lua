local function isAfter(a, b)
  local aMs, aSeq = string.match(a, '^(%d+)-(%d+)$')
  local bMs, bSeq = string.match(b, '^(%d+)-(%d+)$')
  if aMs ~= bMs then return tonumber(aMs) > tonumber(bMs) end
  return tonumber(aSeq) > tonumber(bSeq)
end

-- Returns the channel's last id, its floor (the position before its first deliverable event; equal to the last id where
-- there is none), and whether there is a stream.
--
-- Where there is a stream its own last entry is the last id, whatever the head says: publish.lua writes both in one
-- step, so they differ only where the head was evicted or tampered with, and subscribers were sent what is in the stream.
-- So no position can be the head and yet have events after it. Without a stream the head speaks; without both all
-- is forgotten, and only the origin is known.
local function bounds(stream, head, size, retentionMs)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not last then
    local remembered = redis.call('GET', head) or '0-0'
    return remembered, remembered, false
  end
  -- A full stream has a few entries beyond the size (see publish.lua); the newest of these is the witness. Where there is
  -- none beyond, the oldest entry bears p if it was the stream's first, and otherwise is itself a witness.
  local surplus = redis.call('XLEN', stream) - size
  local witness, before = nil, math.max(1, surplus)
  while before > 0 do
    local from = witness and '(' .. witness[1] or '-'
    local oldest = redis.call('XRANGE', stream, from, '+', 'COUNT', math.min(before, $PAGE_STEP))
    witness, before = oldest[#oldest], before - #oldest
  end
  local floor = surplus <= 0 and witness[2][1] == 'p' and witness[2][2] or witness[1]
  local time = redis.call('TIME')
  local cutoff = time[1] * 1000 + math.floor(time[2] / 1000) - retentionMs
  local expired = redis.call('XREVRANGE', stream, string.format('%.0f', cutoff - 1), '-', 'COUNT', 1)[1]
  if expired and isAfter(expired[1], floor) then floor = expired[1] end
  -- Where the history is bounded by bytes the last entry says from where on it is within the bound (see weight.lua).
  local fields = last[2]
  for i = 1, #fields - 2, 2 do
    if fields[i] == 'f' and isAfter(fields[i + 1], floor) then floor = fields[i + 1] end
  end
  return last[1], floor, true
end
