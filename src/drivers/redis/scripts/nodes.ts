import { INT, NOW } from './lua.ts'

/**
 * Leases run by the time in which nodes were heard, not by the clock alone: while all nodes are silent, nobody can tell
 * whether they died or the store was away. So a silence of all nodes that is longer than half of `deadAfter` is a gap,
 * which counts as one heartbeat, however long it was. A clock that was set back is a gap, too, and counts as nothing. A
 * node that was heard since the gap before has a whole lease after this one. Any other node has missed a turn that
 * others took, so its lease runs on: otherwise a single node that keeps crashing would list its dead for ever.
 *
 * `clock` holds the time counted so far (`at`, in ms), when a node was last heard by the store's clock (`heard`), and
 * the number of gaps so far. `seen` holds "lastSeen gaps" for each node: when it was last heard, by the store's clock,
 * and the number of gaps then.
 */
const LISTEN = `
local function listen(clock, lease, seen, heartbeat, deadAfter)
  local saved = redis.call('HMGET', clock, 'at', 'heard', 'gaps')
  local at, heard, gaps = tonumber(saved[1]), tonumber(saved[2]), tonumber(saved[3])
  local isLost = not (at and heard and gaps)
  if not isLost and now >= heard and now - heard <= deadAfter / 2 then
    at = at + now - heard
  else
    -- Invariant N1: a silence of all counts as one heartbeat, or the first one back would evict all the others.
    at = isLost and now or at + (now < heard and 0 or heartbeat)
    local flat = redis.call('HGETALL', seen)
    for index = 1, #flat, 2 do
      -- Invariant N2: a node that missed the turn before gets no new lease.
      if isLost or tonumber(string.match(flat[index + 1], '%d+$')) == gaps then
        redis.call('ZADD', lease, 'XX', int(at + deadAfter), flat[index])
      end
    end
    gaps = (gaps or 0) + 1
  end
  redis.call('HSET', clock, 'at', int(at), 'heard', int(now), 'gaps', gaps)
  return at, int(now) .. ' ' .. gaps
end
`

/**
 * The version of the node list, and which node each of the last thousand versions is about. A version is µs by the
 * store's clock, and more than the last. So a store that has lost some or all of its versions never gives the same
 * number to another change, and does not find the version that a reader has.
 */
const CHANGED = `
local function changed(v, log, node)
  local last = tonumber(redis.call('GET', v))
  if not last then redis.call('DEL', log) end
  -- Invariant N12: a version that was lost is never given to another change.
  local version = int(math.max((last or 0) + 1, micros))
  redis.call('SET', v, version)
  redis.call('XADD', log, 'MAXLEN', 1000, version .. '-1', 'n', node)
end
`

/**
 * Which node cleans up after a gone node. `gone` holds "reason at cleaned holder" for each gone node, and `claims`
 * holds until when its claim lasts, by the store's clock. A claim that lasts longer than anybody asks for comes from a
 * clock that was set back, and counts as lapsed. Claims do not run by the time of leases: that counts only a heartbeat
 * for each life of a node that keeps crashing, so the claim of a dead claimant would hold up its next lives.
 */
const LONGEST_CLAIM = 600_000
const CLAIM = `
local function claim(gone, claims, node, by, ttl)
  local reason, since, cleaned, holder = string.match(redis.call('HGET', gone, node) or '', '^(%S+) (%S+) (%S+) ?(%S*)$')
  if cleaned ~= '0' then return false end
  local lasts = tonumber(redis.call('ZSCORE', claims, node)) or 0
  -- Invariant N4: it saves work and guards nothing, so the claim of a dead holder lapses.
  if holder ~= '' and holder ~= by and lasts >= now and lasts <= now + ${LONGEST_CLAIM} then return false end
  redis.call('HSET', gone, node, reason .. ' ' .. since .. ' 0 ' .. by)
  redis.call('ZADD', claims, int(now + ttl), node)
  return true
end
`

/** Leases, and which nodes are gone. */
export const nodeScripts = {
  fltJoin: {
    numberOfKeys: 7,
    lua: `${NOW}${INT}${LISTEN}${CHANGED}
-- KEYS clock lease seen nodes v counts log; ARGV node deadAfter heartbeat info
local node, deadAfter = ARGV[1], tonumber(ARGV[2])
local at, seen = listen(KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[3]), deadAfter)
redis.call('ZADD', KEYS[2], int(at + deadAfter), node)
redis.call('HSET', KEYS[3], node, seen)
redis.call('HSET', KEYS[4], node, ARGV[4])
redis.call('HSET', KEYS[6], node, 0)
changed(KEYS[5], KEYS[7], node)
return 1`,
  },

  // A marker expires unless its node makes sure that it was not evicted meanwhile, and then calls PERSIST.
  fltMark: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS holdings epoch; ARGV salt ttl
redis.call('HSET', KEYS[1], '#', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. int(now) .. ' ' .. int(micros), 'NX')
return redis.call('GET', KEYS[2])`,
  },

  fltRenew: {
    numberOfKeys: 6,
    lua: `${NOW}${INT}${LISTEN}
-- KEYS clock lease seen v counts claims; ARGV node deadAfter heartbeat count
local node, deadAfter = ARGV[1], tonumber(ARGV[2])
if not redis.call('ZSCORE', KEYS[2], node) then return {0} end
local at, seen = listen(KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[3]), deadAfter)
redis.call('ZADD', KEYS[2], int(at + deadAfter), node)
redis.call('HSET', KEYS[3], node, seen)
redis.call('HSET', KEYS[5], node, ARGV[4])
local next = -1
local coming = redis.call('ZRANGEBYSCORE', KEYS[2], int(at), '+inf', 'WITHSCORES', 'LIMIT', 0, 2)
for index = 1, #coming, 2 do
  if coming[index] ~= node and next < 0 then next = coming[index + 1] - at end
end
local overdue = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. int(at), 'LIMIT', 0, 64)
local orphaned = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', '(' .. int(now), 'LIMIT', 0, 64)
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '(' .. int(now + ${LONGEST_CLAIM}), '+inf', 'LIMIT', 0, 64)) do
  orphaned[#orphaned + 1] = node
end
return {1, now, tonumber(redis.call('GET', KEYS[4])) or 0, next, overdue, orphaned}`,
  },

  // The whole list. Or, if the log still has the version `since`, only the nodes that have changed since then.
  fltNodes: {
    numberOfKeys: 6,
    readOnly: true,
    lua: `${NOW}
-- KEYS seen nodes v counts gone log; ARGV since
local version = redis.call('GET', KEYS[3]) or '0'
local since = ARGV[1] .. '-1'
if ARGV[1] ~= '0' and #redis.call('XRANGE', KEYS[6], since, since) == 1 then
  local names, seen, infos, counts, gone, known = {}, {}, {}, {}, {}, {}
  local function note(list, key, node)
    local value = redis.call('HGET', key, node)
    if value then
      list[#list + 1] = node
      list[#list + 1] = value
    end
  end
  for _, entry in ipairs(redis.call('XRANGE', KEYS[6], '(' .. since, '+')) do
    local node = entry[2][2]
    if not known[node] then
      known[node] = true
      names[#names + 1] = node
      note(seen, KEYS[1], node)
      note(infos, KEYS[2], node)
      note(counts, KEYS[4], node)
      note(gone, KEYS[5], node)
    end
  end
  return {now, version, seen, infos, counts, gone, names}
end
return {
  now,
  version,
  redis.call('HGETALL', KEYS[1]),
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

  fltEvict: {
    numberOfKeys: 9,
    lua: `${NOW}${INT}${CLAIM}${CHANGED}
-- KEYS clock lease seen nodes v counts gone claims log; ARGV node reason by claimFor
local node, reason, by = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', KEYS[7], node) == 0 then
  local expiry = redis.call('ZSCORE', KEYS[2], node)
  if not expiry then return 'refused' end
  -- Invariant N3: the lease has run out, and whoever says so holds one.
  if reason == 'dead' then
    local at = tonumber(redis.call('HGET', KEYS[1], 'at'))
    if not at or tonumber(expiry) >= at or not redis.call('ZSCORE', KEYS[2], by) then return 'refused' end
  end
  redis.call('ZREM', KEYS[2], node)
  -- No lease is left that could run by this clock.
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
  redis.call('HDEL', KEYS[3], node)
  redis.call('HDEL', KEYS[4], node)
  redis.call('HDEL', KEYS[6], node)
  redis.call('HSET', KEYS[7], node, reason .. ' ' .. int(now) .. ' 0')
  changed(KEYS[5], KEYS[9], node)
end
return claim(KEYS[7], KEYS[8], node, by, tonumber(ARGV[4])) and 'claimed' or 'held'`,
  },

  fltClaim: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}${CLAIM}
-- KEYS gone claims; ARGV node by ttl
return claim(KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3])) and 1 or 0`,
  },

  fltForget: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}${CHANGED}
-- KEYS v gone claims log; ARGV node keepFor
redis.call('ZREM', KEYS[3], ARGV[1])
local flat = redis.call('HGETALL', KEYS[2])
for at = 1, #flat, 2 do
  local node, reason, when, cleaned = flat[at], string.match(flat[at + 1], '^(%S+) (%S+) (%S+)')
  if node == ARGV[1] and cleaned ~= '1' then
    redis.call('HSET', KEYS[2], node, reason .. ' ' .. int(now) .. ' 1')
    changed(KEYS[1], KEYS[4], node)
  elseif cleaned == '1' and now - when > tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[2], node)
    changed(KEYS[1], KEYS[4], node)
  end
end
return 1`,
  },
} as const
