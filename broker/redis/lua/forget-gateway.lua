#!lua flags=allow-oom
-- Forgets the lease of a dead gateway, whose members are removed.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end, or ended
-- KEYS[2]  removals: dead gateways by the moment until which somebody is at work on them
-- ARGV[1]  gateway
-- Returns 1, or 0 where somebody else has forgotten it already.

--@include clock

redis.call('ZREM', KEYS[2], ARGV[1])
local ending = redis.call('ZSCORE', KEYS[1], ARGV[1])
-- One that holds was begun anew, after somebody else had forgotten the old one.
if not ending or tonumber(ending) > now() then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
