import { INT, NOW } from './lua.ts'

/** Idempotency keys: a hash of digest, state, until, receipt, stored nodes. And leases of one holder. */
export const claimScripts = {
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
