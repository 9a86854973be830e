#!lua flags=allow-oom
-- Notes that a gateway has no members in a channel any more, unless it was registered there anew.
--
-- KEYS[1]  channels in which the gateway has members, each with the mark of its registration
-- ARGV[1]  channel
-- ARGV[2]  mark
-- Returns nothing of use.

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
