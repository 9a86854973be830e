#!lua flags=allow-oom
-- Finds a dead gateway whose members nobody is removing, and says that the caller does so for a while.
--
-- KEYS[1]  leases: gateways by the moment at which their leases end, or ended
-- KEYS[2]  removals: dead gateways by the moment until which somebody is at work on them
-- ARGV[1]  how long ago the lease of a dead gateway has ended, in ms
-- ARGV[2]  for how long the caller is at work, in ms
-- Returns the gateway, or false where there is none.

--@include clock

local clock = now()
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', moment(clock - ARGV[1]))) do
  local busy = redis.call('ZSCORE', KEYS[2], gateway)
  if not busy or tonumber(busy) <= clock then
    redis.call('ZADD', KEYS[2], moment(clock + ARGV[2]), gateway)
    return gateway
  end
end
return false
