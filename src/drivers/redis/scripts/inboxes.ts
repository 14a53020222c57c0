import { INT, NOW } from './lua.ts'

/**
 * What stands in an inbox was appended at "since" or later. Where that is too long ago it may still be young, for acks do
 * not say what they leave: only then the oldest is looked at, which copies it.
 */
const ROOM = `
local function isBehind(inbox, meta, since, maxLag)
  ${NOW}
  since = tonumber(since) or 0
  if now - since <= maxLag then return false end
  local oldest = redis.call('XRANGE', inbox, '-', '+', 'COUNT', 1)[1]
  if not oldest then return false end
  local at = tonumber(string.match(oldest[1], '^%d+'))
  if at ~= since then redis.call('HSET', meta, 'since', int(at)) end
  return now - at > maxLag
end
-- How many bytes it will have taken with these; nil, and 0 where it is full, -2 where it is behind.
local function roomFor(inbox, meta, size, bound, maxLag)
  local counts = redis.call('HMGET', meta, 'in', 'out', 'since')
  local total, gone = tonumber(counts[1]) or 0, tonumber(counts[2]) or 0
  -- Invariant B7: an empty inbox takes anything, and what is owed is taken beyond every bound.
  if bound and total > gone then
    if total - gone + size > bound then return nil, 0 end
    if maxLag > 0 and isBehind(inbox, meta, counts[3], maxLag) then return nil, -2 end
  end
  return int(total + size)
end
`

/** Never makes an inbox: who has none has gone. Answers 1, 0 where it is full, -2 where it is behind, -1 where it is not there. */
export const publishLua = `${INT}${ROOM}
-- KEYS inbox meta; ARGV bytes bound maxLag. No bound: it is taken in any case.
local total, refusal = roomFor(KEYS[1], KEYS[2], #ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
if refusal == 0 then return redis.call('EXISTS', KEYS[1]) - 1 end
if refusal then return refusal end
-- Invariant B1: an inbox that is not there is never made here: nobody would read it.
if not redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'd', ARGV[1], 'p', total) then return -1 end
redis.call('HSET', KEYS[2], 'in', total)
return 1`

/**
 * A lookup of one user or group and an append to each of its inboxes, on a server that has them all. Where it is not clear
 * who is there, or one of the inboxes does not take it, nothing is appended and the answer is nil. Else it is the stamp
 * and the nodes, the publisher's own among them, whose inbox is left out. A call that comes twice, or too late, is answered
 * and not done again.
 */
export const directLua = `${INT}${ROOM}
-- KEYS epoch route last; ARGV epoch inboxes own seq keepFor bytes bound maxLag
local last, answer = string.match(redis.call('GET', KEYS[3]) or '0 ', '^(%d+) (.*)$')
local seq = tonumber(ARGV[4])
if tonumber(last) == seq and answer ~= '' then return answer end
if tonumber(last) >= seq then return false end
local function ends(with)
  redis.call('SET', KEYS[3], ARGV[4] .. ' ' .. with, 'PX', ARGV[5])
  return with ~= '' and with
end
local epoch, stamp = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) ?(%d*)$')
if epoch ~= ARGV[1] then return ends('') end
if stamp == '' then stamp = '0' end
local kind, route = redis.call('TYPE', KEYS[2]).ok, ''
if kind == 'string' then route = redis.call('GET', KEYS[2]) end
if kind == 'hash' then route = table.concat(redis.call('HKEYS', KEYS[2]), ' ') end
local nodes, totals = '', {}
for node in string.gmatch(route, '%S+') do
  if string.find(node, '-', 1, true) then
    nodes = nodes .. ' ' .. node
    if node ~= ARGV[3] then
      local inbox = ARGV[2] .. node
      local total = roomFor(inbox .. ':in', inbox .. ':m', #ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]))
      if not total or redis.call('EXISTS', inbox .. ':in') == 0 then return ends('') end
      totals[inbox] = total
    end
  end
end
for inbox, total in pairs(totals) do
  redis.call('XADD', inbox .. ':in', '*', 'd', ARGV[6], 'p', total, 's', stamp)
  redis.call('HSET', inbox .. ':m', 'in', total)
end
return ends(stamp .. nodes)`

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
-- Invariant B2: one step, so that an append comes before it or is told closed.
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 1`,
  },
} as const
