/** Which node reads the public stream: a lease with one holder. */
export const ingressScripts = {
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
-- Invariant I6: one reader at a time.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`,
  },
} as const
