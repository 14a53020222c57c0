import { INT, NOW, WITHOUT } from './lua.ts'

/**
 * A partition keeps its last stamp after its epoch: "epoch stamp", at KEYS[2]. As long as the partition exists its
 * stamps never go back, whoever leaves it and whatever happens to the clock. If there is no epoch, the partition was
 * lost: then `stamp` is nil.
 */
const STAMPS = `
local epoch, stamp = string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) ?(%d*)$')
stamp = epoch and (tonumber(stamp) or 0)
local function nextStamp()
  -- Invariant R3: stamps never run back, whatever becomes of the clock.
  stamp = math.max(stamp + 1, micros)
  return int(stamp)
end
local function keepStamp() redis.call('SET', KEYS[2], epoch .. ' ' .. int(stamp)) end
`

/**
 * Binds users and connections of one partition. Each user has its route and its parked messages among the keys, and a
 * field and a value among the arguments; the remaining arguments are connections. Answers the users' stamps, each with
 * a plus if something is parked for the user, or nil if the marker is gone.
 */
export const bindLua = `${NOW}${INT}${STAMPS}${WITHOUT}
-- KEYS holdings epoch (route parked)…; ARGV node (field value)… (field present)…
-- Invariant N5: without its marker a node writes nothing, however late it arrives.
if not epoch or redis.call('HEXISTS', KEYS[1], '#') == 0 then return false end
local node, stamps, users = ARGV[1], {}, (#KEYS - 2) / 2
for user = 1, users do
  local route, parked, field, value = KEYS[2 * user + 1], KEYS[2 * user + 2], ARGV[2 * user], ARGV[2 * user + 1]
  stamps[user] = nextStamp()
  if value == '' then
    redis.call('HDEL', KEYS[1], field)
    unlist(route, node)
  else
    redis.call('HSET', KEYS[1], field, value)
    redis.call('SET', route, node .. without(redis.call('GET', route), node))
    if redis.call('EXISTS', parked) == 1 then stamps[user] = stamps[user] .. '+' end
  end
end
if users > 0 then keepStamp() end
for at = 2 * users + 2, #ARGV, 2 do
  if ARGV[at + 1] == '1' then redis.call('HSET', KEYS[1], ARGV[at], '') else redis.call('HDEL', KEYS[1], ARGV[at]) end
end
return table.concat(stamps, ' ')`

/**
 * Who is where. Each write refuses, with nil, if the node's marker is gone. Cleaning refuses while the marker is there.
 */
export const routeScripts = {
  // Writes several members of one group. They share a stamp, because no lookup comes between them.
  fltSetMembers: {
    numberOfKeys: 5,
    lua: `${NOW}${INT}${STAMPS}
-- KEYS holdings epoch groupRoute groupMembers groupsOf; ARGV node group (connection record)…
-- Invariant N5: without its marker a node writes no members either.
if not epoch or redis.call('HEXISTS', KEYS[1], '#') == 0 then return false end
local node, group = ARGV[1], ARGV[2]
local stamp = nextStamp()
keepStamp()
for at = 3, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[4], ARGV[at])
  else
    redis.call('HSET', KEYS[4], ARGV[at], ARGV[at + 1])
  end
end
if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HSET', KEYS[3], node, 1)
  redis.call('SADD', KEYS[5], group)
else
  redis.call('SREM', KEYS[5], group)
  redis.call('HDEL', KEYS[3], node)
end
return stamp`,
  },

  fltUnroute: {
    lua: `${WITHOUT}
-- KEYS holdings route…; ARGV node field…
for at = 2, #KEYS do
  -- Invariant R10: only for users whom the node does not have again.
  if redis.call('HEXISTS', KEYS[1], ARGV[at]) == 0 then unlist(KEYS[at], ARGV[1]) end
end
return 1`,
  },

  // Part of cleaning up after an evicted node. Reads groups, from the first on, as long as they have at most `most`
  // members together. Answers their members, or nil for a single group that has more.
  fltMembersOn: {
    lua: `
-- KEYS groupMembers…; ARGV most
local most, found = tonumber(ARGV[1]), {}
local left = most
for at = 1, #KEYS do
  local size = redis.call('HLEN', KEYS[at])
  if size > most then found[at] = false
  elseif size > left then break
  else
    found[at] = redis.call('HVALS', KEYS[at])
    left = left - size
  end
end
return found`,
  },

  // UNLINK frees large values without holding up the commands of others.
  fltClean: {
    lua: `${NOW}${INT}${STAMPS}${WITHOUT}
-- KEYS holdings epoch groupsOf route… groupRoute… groupMembers…; ARGV node isLast keepsMembers userCount field… group…
-- Invariant N5: nothing is cleaned while its node may still write.
if redis.call('HEXISTS', KEYS[1], '#') == 1 then return 0 end
local node, keepsMembers, users = ARGV[1], ARGV[3] == '1', tonumber(ARGV[4])
local groups = #ARGV - 4 - users
if users > 0 then
  local routes, empty = redis.call('MGET', unpack(KEYS, 4, 3 + users)), {}
  for at = 1, users do
    local others, listed = without(routes[at], node)
    if listed and others == '' then empty[#empty + 1] = KEYS[3 + at]
    elseif listed then redis.call('SET', KEYS[3 + at], string.sub(others, 2)) end
  end
  if #empty > 0 then redis.call('DEL', unpack(empty)) end
  redis.call('HDEL', KEYS[1], unpack(ARGV, 5, 4 + users))
end
if groups > 0 then
  for at = 4 + users, 3 + users + groups do redis.call('HDEL', KEYS[at], node) end
  if not keepsMembers then
    redis.call('UNLINK', unpack(KEYS, 4 + users + groups, #KEYS))
    redis.call('SREM', KEYS[3], unpack(ARGV, 5 + users, #ARGV))
  end
end
if ARGV[2] == '1' then
  redis.call('UNLINK', KEYS[1])
  if not keepsMembers then redis.call('UNLINK', KEYS[3]) end
end
if epoch and users + groups > 0 then
  nextStamp()
  keepStamp()
end
return 1`,
  },
} as const
