#!lua flags=allow-oom
-- Ends a gateway's lease now, by the clock of Redis, if it holds.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end, or ended
-- ARGV[1]  gateway
-- Returns nothing of use.

--@include clock

local clock = now()
local ending = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ending and tonumber(ending) > clock then redis.call('ZADD', KEYS[1], moment(clock), ARGV[1]) end
return 0
