#!lua flags=no-writes
-- Lists the gateways whose lease holds, or has not ended for long, by the clock of Redis.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end, or ended
-- ARGV[1]  how long ago a lease may have ended, in ms
-- Returns the gateways.

--@include clock

return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. moment(now() - ARGV[1]), '+inf')
