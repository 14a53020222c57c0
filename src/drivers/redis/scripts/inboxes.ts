import { INT, NOW } from './lua.ts'

/**
 * Never makes an inbox: who has none has gone. Answers 1, 0 where it is full, -2 where it is behind, -1 where it is not
 * there. What stands in it was appended at "since" or later. Where that is too long ago it may still be young, for acks do
 * not say what they leave: only then the oldest is looked at, which copies it.
 */
export const publishLua = `${INT}
-- KEYS inbox meta; ARGV bytes bound maxLag. No bound: it is taken in any case.
local bound = tonumber(ARGV[2])
local counts = redis.call('HMGET', KEYS[2], 'in', 'out', 'since')
local total, gone = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
local function isBehind(maxLag)
  ${NOW}
  local since = tonumber(counts[3]) or 0
  if now - since <= maxLag then return false end
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if not oldest then return false end
  local at = tonumber(string.match(oldest[1], '^%d+'))
  if at ~= since then redis.call('HSET', KEYS[2], 'since', int(at)) end
  return now - at > maxLag
end
if bound and total > gone then
  if total - gone + #ARGV[1] > bound then return redis.call('EXISTS', KEYS[1]) - 1 end
  if ARGV[3] ~= '0' and isBehind(tonumber(ARGV[3])) then return -2 end
end
total = int(total + #ARGV[1])
if not redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'd', ARGV[1], 'p', total) then return -1 end
redis.call('HSET', KEYS[2], 'in', total)
return 1`

/** Inboxes. "in" and "out" count bytes for ever, so an ack that is sent twice takes nothing twice. */
export const inboxScripts = {
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

  fltAck: {
    numberOfKeys: 2,
    lua: `${INT}
-- KEYS inbox meta; ARGV firstKept bytesGone
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
local counts = redis.call('HMGET', KEYS[2], 'in', 'out')
-- Of an entry that is not ours it is nothing, or anything.
local gone = math.min(tonumber(string.match(ARGV[2], '^%d+$')) or 0, tonumber(counts[1]) or 0)
if gone > (tonumber(counts[2]) or 0) then redis.call('HSET', KEYS[2], 'out', int(gone)) end
return 1`,
  },

  fltSeal: {
    numberOfKeys: 2,
    lua: `
-- KEYS inbox sealed
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 1`,
  },
} as const
