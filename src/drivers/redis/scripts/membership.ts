import { INT, NOW } from './lua.ts'

/** Leases, and who was put out. KEYS lease nodes v steady counts gone. */
export const membershipScripts = {
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
} as const
