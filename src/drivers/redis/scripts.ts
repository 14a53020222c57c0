// What Redis runs in one step. Each script touches one hash slot, declares its keys, takes the time from Redis and may
// run twice with the same outcome.

const NOW = `
local clock = redis.call('TIME')
local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(micros / 1000)
`

/** Numbers above 2^31 must not become 1.8e+15. */
const INT = `local function int(n) return string.format('%.0f', n) end
`

/** A route is "stamp nodeA nodeB": its stamp and the other nodes in it. */
const SPLIT_ROUTE = `
local function split(route, node)
  local stamp, others, listed = 0, '', false
  if not route then return stamp, others, listed end
  for word in string.gmatch(route, '%S+') do
    if stamp == 0 then stamp = tonumber(word)
    elseif word == node then listed = true
    else others = others .. ' ' .. word end
  end
  return stamp, others, listed
end
local function unlist(key, node)
  local stamp, others, listed = split(redis.call('GET', key), node)
  if not listed then return stamp end
  if others == '' then redis.call('DEL', key) else redis.call('SET', key, int(stamp) .. others) end
  return stamp
end
`

const UNLIST_GROUP = `
local function unlistGroup(route, members, node)
  redis.call('HDEL', route, node)
  if redis.call('HLEN', route) <= 1 then redis.call('DEL', route) end
end
`

/** Trims the broadcast stream to its slowest reader, and says how many bytes are gone. It looks at every cursor. */
const TRIM_ALL = `
local function trim(stream, meta, cursors)
  local slowest, keep = nil, nil
  for _, cursor in ipairs(redis.call('HVALS', cursors)) do
    local ms, seq, bytes = string.match(cursor, '^(%d+)-(%d+) (%d+)$')
    if not slowest or tonumber(bytes) < slowest then slowest, keep = tonumber(bytes), ms .. '-' .. int(seq + 1) end
  end
  if not slowest then slowest, keep = tonumber(redis.call('HGET', meta, 'in')) or 0, '+' end
  if keep == '+' then redis.call('DEL', stream) else redis.call('XTRIM', stream, 'MINID', keep) end
  redis.call('HSET', meta, 'out', int(slowest))
  return slowest
end
`

export const scripts = {
  // ---- membership: lease nodes v steady counts gone

  fltJoin: {
    numberOfKeys: 5,
    lua: `${NOW}${INT}
-- KEYS lease nodes v steady counts; ARGV node info deadAfter
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[4], ARGV[1], int(now))
redis.call('HSET', KEYS[5], ARGV[1], 0)
return redis.call('INCR', KEYS[3])`,
  },

  // A marker expires until its node has made sure that it was not evicted meanwhile: then \`PERSIST\`.
  fltMark: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS holdings epoch; ARGV salt ttl
redis.call('HSET', KEYS[1], '#', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. int(now), 'NX')
return redis.call('GET', KEYS[2])`,
  },

  fltRenew: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}
-- KEYS lease v steady counts; ARGV node deadAfter heartbeat count
local node, deadAfter = ARGV[1], tonumber(ARGV[2])
local expiry = redis.call('ZSCORE', KEYS[1], node)
if not expiry then return {0} end
-- A gap over two heartbeats: this node was away, so it cannot tell who else was.
if now - (expiry - deadAfter) > 2 * ARGV[3] then redis.call('HSET', KEYS[3], node, int(now)) end
redis.call('ZADD', KEYS[1], now + deadAfter, node)
redis.call('HSET', KEYS[4], node, ARGV[4])
local next = -1
local coming = redis.call('ZRANGEBYSCORE', KEYS[1], int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 2)
for at = 1, #coming, 2 do
  if coming[at] ~= node and next < 0 then next = coming[at + 1] - now end
end
local overdue = {}
if now - (tonumber(redis.call('HGET', KEYS[3], node)) or now) >= deadAfter then
  overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. int(now), 'LIMIT', 0, 64)
end
return {1, now, tonumber(redis.call('GET', KEYS[2])) or 0, next, overdue}`,
  },

  fltNodes: {
    numberOfKeys: 5,
    readOnly: true,
    lua: `${NOW}
-- KEYS lease nodes v counts gone
return {
  now,
  tonumber(redis.call('GET', KEYS[3])) or 0,
  redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[2]),
  redis.call('HGETALL', KEYS[4]),
  redis.call('HGETALL', KEYS[5])
}`,
  },

  fltReportCount: {
    numberOfKeys: 2,
    lua: `
-- KEYS lease counts; ARGV node count
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
return 1`,
  },

  // Gone: "reason at cleaned".
  fltEvict: {
    numberOfKeys: 6,
    lua: `${NOW}${INT}
-- KEYS lease nodes v steady counts gone; ARGV node reason by deadAfter
local node, reason = ARGV[1], ARGV[2]
if redis.call('HEXISTS', KEYS[6], node) == 1 then return 1 end
local expiry = redis.call('ZSCORE', KEYS[1], node)
if not expiry then return 0 end
if reason == 'dead' then
  local steady = redis.call('HGET', KEYS[4], ARGV[3])
  if not steady or now - steady < tonumber(ARGV[4]) or tonumber(expiry) >= now then return 0 end
end
redis.call('ZREM', KEYS[1], node)
redis.call('HDEL', KEYS[2], node)
redis.call('HDEL', KEYS[4], node)
redis.call('HDEL', KEYS[5], node)
redis.call('HSET', KEYS[6], node, reason .. ' ' .. int(now) .. ' 0')
redis.call('INCR', KEYS[3])
return 1`,
  },

  fltForget: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS v gone; ARGV node keepFor
local flat = redis.call('HGETALL', KEYS[2])
for at = 1, #flat, 2 do
  local node, reason, when, cleaned = flat[at], string.match(flat[at + 1], '^(%S+) (%S+) (%S+)$')
  if node == ARGV[1] then redis.call('HSET', KEYS[2], node, reason .. ' ' .. int(now) .. ' 1')
  elseif cleaned == '1' and now - when > tonumber(ARGV[2]) then redis.call('HDEL', KEYS[2], node) end
end
return redis.call('INCR', KEYS[1])`,
  },

  // ---- bindings. Each refuses, with nil, where the node's marker is gone.

  fltSetUser: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}${SPLIT_ROUTE}
-- KEYS holdings route; ARGV node field value
if redis.call('HEXISTS', KEYS[1], '#') == 0 then return false end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  return int(unlist(KEYS[2], ARGV[1]))
end
local stamp, others = split(redis.call('GET', KEYS[2]), ARGV[1])
stamp = math.max(stamp + 1, micros)
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('SET', KEYS[2], int(stamp) .. others .. ' ' .. ARGV[1])
return int(stamp)`,
  },

  fltSetConnection: {
    numberOfKeys: 1,
    lua: `
-- KEYS holdings; ARGV field present
if redis.call('HEXISTS', KEYS[1], '#') == 0 then return false end
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], ARGV[1], '') else redis.call('HDEL', KEYS[1], ARGV[1]) end
return '0'`,
  },

  fltSetMember: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}${UNLIST_GROUP}
-- KEYS holdings groupRoute groupMembers groupsOf; ARGV node group connection record
if redis.call('HEXISTS', KEYS[1], '#') == 0 then return false end
local stamp = tonumber(redis.call('HGET', KEYS[2], '#')) or 0
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[3], ARGV[3])
  if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('SREM', KEYS[4], ARGV[2])
    unlistGroup(KEYS[2], KEYS[3], ARGV[1])
  end
  return int(stamp)
end
stamp = math.max(stamp + 1, micros)
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[2], '#', int(stamp), ARGV[1], 1)
redis.call('SADD', KEYS[4], ARGV[2])
return int(stamp)`,
  },

  fltUnroute: {
    numberOfKeys: 2,
    lua: `${INT}${SPLIT_ROUTE}
-- KEYS holdings route; ARGV node field
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 0 end
unlist(KEYS[2], ARGV[1])
return 1`,
  },

  // ---- cleaning up after an evicted node; refuses while a marker stands.

  fltCleanUsers: {
    lua: `${INT}${SPLIT_ROUTE}
-- KEYS holdings route…; ARGV node field…
if redis.call('HEXISTS', KEYS[1], '#') == 1 then return 0 end
for at = 2, #KEYS do
  unlist(KEYS[at], ARGV[1])
  redis.call('HDEL', KEYS[1], ARGV[at])
end
return 1`,
  },

  fltCleanGroups: {
    lua: `${UNLIST_GROUP}
-- KEYS holdings groupsOf (groupRoute groupMembers)…; ARGV node group…
if redis.call('HEXISTS', KEYS[1], '#') == 1 then return 0 end
for at = 3, #KEYS, 2 do
  redis.call('DEL', KEYS[at + 1])
  unlistGroup(KEYS[at], KEYS[at + 1], ARGV[1])
  redis.call('SREM', KEYS[2], ARGV[(at + 1) / 2])
end
return 1`,
  },

  fltCleanRest: {
    numberOfKeys: 2,
    lua: `
-- KEYS holdings groupsOf
if redis.call('HEXISTS', KEYS[1], '#') == 1 then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1`,
  },

  // ---- inboxes. "in" and "out" count bytes for ever, so an ack that is sent twice takes nothing twice.

  fltOpenInbox: {
    numberOfKeys: 2,
    lua: `
-- KEYS inbox meta
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[1], '0-1', 'd', '')
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
redis.call('HSET', KEYS[2], 'in', 0, 'out', 0)
return 1`,
  },

  fltPublish: {
    numberOfKeys: 2,
    lua: `${INT}
-- KEYS inbox meta; ARGV bytes bound
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local counts = redis.call('HMGET', KEYS[2], 'in', 'out')
local total, gone = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
if total > gone and total - gone + #ARGV[1] > tonumber(ARGV[2]) then return 0 end
total = int(total + #ARGV[1])
redis.call('HSET', KEYS[2], 'in', total)
redis.call('XADD', KEYS[1], '*', 'd', ARGV[1], 'p', total)
return 1`,
  },

  fltAck: {
    numberOfKeys: 2,
    lua: `
-- KEYS inbox meta; ARGV firstKept bytesGone
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
if tonumber(ARGV[2]) > (tonumber(redis.call('HGET', KEYS[2], 'out')) or 0) then redis.call('HSET', KEYS[2], 'out', ARGV[2]) end
return 1`,
  },

  fltSeal: {
    numberOfKeys: 2,
    lua: `
-- KEYS inbox sealed
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 1`,
  },

  // ---- broadcasts. A cursor is "id bytes": what its node has read of the stream.

  fltOpenAll: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS meta cursors; ARGV node salt
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[2] .. ':' .. int(now))
local meta = redis.call('HMGET', KEYS[1], 'last', 'in', 'epoch')
redis.call('HSETNX', KEYS[2], ARGV[1], (meta[1] or '0-0') .. ' ' .. (meta[2] or '0'))
return meta[3]`,
  },

  fltPublishAll: {
    numberOfKeys: 3,
    lua: `${NOW}${INT}${TRIM_ALL}
-- KEYS stream meta cursors; ARGV bytes bound salt knownEpoch grace
local meta = redis.call('HMGET', KEYS[2], 'in', 'out', 'epoch')
local epoch = meta[3]
if not epoch then
  epoch = ARGV[3] .. ':' .. int(now)
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
-- The stream was lost and its readers are only coming back: nothing is stored before they had the time.
if ARGV[4] ~= '' and ARGV[4] ~= epoch and now - string.match(epoch, ':(%d+)$') < tonumber(ARGV[5]) then return {-1} end
local readers = redis.call('HLEN', KEYS[3])
if readers == 0 then return {1, 0, epoch} end
local total, gone = tonumber(meta[1]) or 0, tonumber(meta[2]) or 0
local function isFull() return total > gone and total - gone + #ARGV[1] > tonumber(ARGV[2]) end
-- Readers trim only now and then: before anything is refused, what they have read goes.
if isFull() then gone = trim(KEYS[1], KEYS[2], KEYS[3]) end
if isFull() then return {0} end
total = int(total + #ARGV[1])
local id = redis.call('XADD', KEYS[1], '*', 'd', ARGV[1], 'p', total)
redis.call('HSET', KEYS[2], 'in', total, 'last', id)
return {1, readers, epoch}`,
  },

  fltAckAll: {
    numberOfKeys: 3,
    lua: `${NOW}${INT}${TRIM_ALL}
-- KEYS stream meta cursors; ARGV node cursor pause
if ARGV[2] == '' then redis.call('HDEL', KEYS[3], ARGV[1])
elseif redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then redis.call('HSET', KEYS[3], ARGV[1], ARGV[2]) end
if ARGV[2] ~= '' and now - (tonumber(redis.call('HGET', KEYS[2], 'trimmed')) or 0) < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], 'trimmed', int(now))
trim(KEYS[1], KEYS[2], KEYS[3])
return 1`,
  },

  // ---- idempotency keys: a hash of digest, state, until, receipt, stored nodes

  fltClaimId: {
    numberOfKeys: 1,
    lua: `${NOW}${INT}
-- KEYS id; ARGV digest ttl
local known = redis.call('HMGET', KEYS[1], 'digest', 'state', 'until', 'receipt', 'stored')
if known[1] and known[1] ~= ARGV[1] then return {'conflict'} end
if known[2] == 'done' then return {'done', known[4]} end
if known[2] == 'pending' and now < tonumber(known[3]) then return {'pending'} end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'state', 'pending', 'until', int(now + ARGV[2]))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {'fresh', known[5] or ''}`,
  },

  // Whoever's claim lapsed meanwhile comes too late: what another has settled stays.
  fltSettleId: {
    numberOfKeys: 1,
    lua: `
-- KEYS id; ARGV digest receipt ttl
if redis.call('HGET', KEYS[1], 'state') == 'done' then return 0 end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'state', 'done', 'receipt', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`,
  },

  fltReleaseId: {
    numberOfKeys: 1,
    lua: `
-- KEYS id; ARGV digest stored ttl
if redis.call('HGET', KEYS[1], 'state') == 'done' then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'state', 'failed', 'stored', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`,
  },

  fltResign: {
    numberOfKeys: 1,
    lua: `
-- KEYS lease; ARGV node
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`,
  },

  fltLead: {
    numberOfKeys: 1,
    lua: `
-- KEYS lease; ARGV node ttl
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
  },
} as const

/** ioredis flattens lists: keys and arguments can be told apart by eye. */
type Argument = string | number | Buffer | readonly (string | number | Buffer)[]
export type ScriptCommands = {
  [Name in keyof typeof scripts]: (...keysAndArguments: Argument[]) => Promise<unknown>
}
