#!lua
-- Says that a gateway lives for a while longer, by the clock of Redis, and forgets leases that ended long ago.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end
-- ARGV[1]  gateway
-- ARGV[2]  lease in ms
-- Returns nothing of use.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
return redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
