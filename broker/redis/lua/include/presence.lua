-- Who is in a channel. Each script that changes it has these:
--
-- KEYS[1]  members: each connection's entry, which is seven lines: gateway, user, name, claim (empty where there is none), secret, then
--          1 or 0 for whether notices are sent of it, and for whether its connection broke
-- KEYS[2]  index, so that nothing has to be asked of all members: by g and the gateway, how many are its own; by u and the user, how
--          many of its connections notices are sent of; by c and the claim, how many have it, a space, and the holder, which
--          is u and the user, or for an anonymous one a and the connection
-- ARGV[1]  pub/sub channel of the notices
--
-- All texts are JSON, null included: as such they are stored, compared and sent, and never decoded.
local members, index = KEYS[1], KEYS[2]

-- An index that has outlived its members (they were evicted) says nothing.
if redis.call('EXISTS', members) == 0 then redis.call('DEL', index) end

local function decode(connection, text)
  local gateway, user, name, claim, secret, announce, parted =
    string.match(text, '^(.-)\n(.-)\n(.-)\n(.-)\n(.-)\n(.-)\n(.-)$')
  return {
    connection = connection,
    gateway = gateway,
    user = user,
    name = name,
    claim = claim,
    secret = secret,
    announce = announce,
    parted = parted,
    holder = user == 'null' and 'a' .. connection or 'u' .. user,
  }
end

local function find(connection)
  local text = redis.call('HGET', members, connection)
  return text and decode(connection, text) or nil
end

local function store(entry)
  local lines = { entry.gateway, entry.user, entry.name, entry.claim, entry.secret, entry.announce, entry.parted }
  redis.call('HSET', members, entry.connection, table.concat(lines, '\n'))
end

local function count(field, by)
  if redis.call('HINCRBY', index, field, by) <= 0 then redis.call('HDEL', index, field) end
end

-- Returns how many have a claim, and its holder.
local function usesOf(claim)
  local uses, holder = string.match(redis.call('HGET', index, 'c' .. claim) or '0 ', '^(%d+) (.*)$')
  return tonumber(uses), holder
end

local function countAll(entry, by)
  count('g' .. entry.gateway, by)
  if entry.user ~= 'null' and entry.announce == '1' then count('u' .. entry.user, by) end
  if entry.claim == '' then return end
  local uses = usesOf(entry.claim) + by
  if uses > 0 then
    redis.call('HSET', index, 'c' .. entry.claim, string.format('%d %s', uses, entry.holder))
  else
    redis.call('HDEL', index, 'c' .. entry.claim)
  end
end

local function add(entry)
  store(entry)
  countAll(entry, 1)
end

local function remove(entry)
  if redis.call('HDEL', members, entry.connection) == 1 then countAll(entry, -1) end
end

-- Whether a claim is free for the holder who asks, not counting what the entries of the same client hold; and the entry that
-- gives it up for that, if any does.
local function ask(claim, holder, own, previous)
  if claim == '' then return true end
  local uses, current = usesOf(claim)
  if own and own.claim == claim then uses = uses - 1 end
  if previous and previous.claim == claim then uses = uses - 1 end
  if uses <= 0 or current == holder then return true end
  local giver = string.sub(current, 1, 1) == 'a' and find(string.sub(current, 2)) or nil
  if giver and giver.parted == '1' then return true, giver end
  return false
end

-- Whether notices have told of this user as there. An anonymous one is known by its connection alone, so it never was.
local function isThere(user)
  return user ~= 'null' and redis.call('HEXISTS', index, 'u' .. user) == 1
end

local function tell(notice, entry, old)
  if entry.announce == '0' then return end
  local more = old and ',"old":' .. old or ''
  local data = '{"connection":' .. entry.connection .. ',"user":' .. entry.user .. ',"name":' .. entry.name .. more .. '}'
  redis.call('$PUBLISH', ARGV[1], '- - ' .. notice .. '\n' .. data)
end

-- Of an entry that is removed already.
local function tellLeft(entry)
  if not isThere(entry.user) then tell('left', entry) end
end

local function tellRenamed(entry, old)
  if entry.name ~= old then tell('renamed', entry, old) end
end
