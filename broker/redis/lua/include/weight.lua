-- How many bytes a channel keeps, where its history is bounded by bytes. What an entry weighs is its body (name LF data).
--
-- Each entry then bears two fields more: b, how many bytes the channel's entries had up to it, and with it; and f, where there is one, the id of
-- the newest entry that is beyond the bound by then: its floor, which `bounds.lua` lets no read go below. So nothing has to be dropped at
-- once, nor is anything else to be remembered; and as both only grow, each entry is looked at once on its way out.
--
-- Entries that were written without them, before the history had such a bound, are summed up the first time; as soon as they are too many
-- with what came later, all of them go.
local maxBytes = tonumber(ARGV[5])

local function fieldOf(entry, name)
  local fields = entry[2]
  for i = 1, #fields - 2, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function weightOf(entry)
  local fields = entry[2]
  return #fields[#fields]
end

-- Returns how many bytes there are up to the last entry, before one that weighs so much, and the floor, nil where there is none.
local function weigh(stream, coming)
  local total, from, count = 0, '+', 1
  while true do
    local entries = redis.call('XREVRANGE', stream, from, '-', 'COUNT', count)
    for i = 1, #entries do
      local upTo = fieldOf(entries[i], 'b')
      if upTo then return total + tonumber(upTo), fieldOf(entries[i], 'f') end
      if total + weightOf(entries[i]) + coming > maxBytes then return total, entries[i][1] end
      total = total + weightOf(entries[i])
    end
    if #entries < count then return total end
    from, count = '(' .. entries[#entries][1], 64
  end
end

-- Moves the floor on to where what lies above it, and weighs so much up to the end, is within the bound.
local function raise(stream, floor, total)
  local count = 1
  while true do
    local entries = redis.call('XRANGE', stream, floor and '(' .. floor or '-', '+', 'COUNT', count)
    for i = 1, #entries do
      local upTo = fieldOf(entries[i], 'b')
      local before = upTo and tonumber(upTo) - weightOf(entries[i]) or 0
      if total - before <= maxBytes then return floor end
      floor = entries[i][1]
    end
    if #entries < count then return floor end
    count = 64
  end
end

local total, floor

-- Returns the fields of the entry that is to be the stream's next.
local function weighed(stream, body)
  if not total then total, floor = weigh(stream, #body) end
  total = total + #body
  floor = raise(stream, floor, total)
  local upTo = string.format('%.0f', total)
  if floor then return { 'b', upTo, 'f', floor, 'e', body } end
  return { 'b', upTo, 'e', body }
end
