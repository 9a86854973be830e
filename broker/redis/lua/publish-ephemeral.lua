#!lua
-- Sends an event to every subscriber of a channel that keeps no history.
--
-- KEYS[1]  stream; not touched, it tells a cluster which node the channel lives on
-- KEYS[2]  idempotency key (optional)
-- ARGV[1]  body: name LF data
-- ARGV[2]  pub/sub channel
-- ARGV[3]  PUBLISH, or SPUBLISH on a cluster
-- ARGV[4]  lifetime of the idempotency key in ms
-- Returns an empty string; for a repeated key an array of one.

local key = KEYS[2]
if key and not redis.call('SET', key, '', 'NX', 'PX', ARGV[4]) then return { redis.call('GET', key) } end
redis.call(ARGV[3], ARGV[2], '- - ' .. ARGV[1])
return ''
