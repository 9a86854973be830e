-- Sends events to every subscriber of a channel that keeps no history.
--
-- Without a line that declares it a script, on purpose: Redis then judges command by command, and PUBLISH goes on
-- where writes are refused (memory full, a failed save, a replica). Only the key of a repeat is a write.
--
-- KEYS[1]  stream; not touched, it tells a cluster which node the channel lives on
-- KEYS[2]  idempotency key (optional; with one event only)
-- ARGV[1]  pub/sub channel
-- ARGV[2] and so on  bodies: name LF data
-- Returns an empty string; for a repeated key an array of one.

local key = KEYS[2]
if key and not redis.call('SET', key, '', 'NX', 'PX', $KEY_LIFETIME_MS) then return { redis.call('GET', key) } end
for i = 2, #ARGV do redis.call('$PUBLISH', ARGV[1], '- - ' .. ARGV[i]) end
return ''
