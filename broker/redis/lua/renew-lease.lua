#!lua
-- Says that a gateway lives for a while longer, by the clock of Redis. A lease that has ended stays so.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end, or ended
-- ARGV[1]  gateway
-- ARGV[2]  lease in ms
-- Returns 1 if the lease held until now, else 0.

--@include clock

local clock = now()
local ending = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ending and tonumber(ending) <= clock then return 0 end
redis.call('ZADD', KEYS[1], moment(clock + ARGV[2]), ARGV[1])
return ending and 1 or 0
