-- The clock of Redis, in ms.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A moment as Redis wants it: without exponent or fraction.
local function moment(ms)
  return string.format('%.0f', ms)
end
