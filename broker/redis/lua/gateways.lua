#!lua flags=no-writes
-- Lists the gateways whose lease holds, by the clock of Redis.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end
-- Returns the gateways.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
