import { INT, NOW } from './lua.ts'

/**
 * Everything in an inbox was appended at "since" or later. If that is too long ago, the oldest entry may still be
 * young, because acks do not say what they leave. Only then is the oldest looked at, because that copies it.
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
-- How many bytes the inbox will have taken with this batch; or nil, and 0 if it is full, -2 if it is behind.
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

/**
 * Appends a batch, but never creates an inbox: a node without one has gone. Answers 1 if it is stored, 0 if the inbox
 * is full, -2 if it is behind, -1 if there is none.
 */
export const publishLua = `${INT}${ROOM}
-- KEYS inbox meta; ARGV bytes bound maxLag. Without a bound, the batch is taken in any case.
local total, refusal = roomFor(KEYS[1], KEYS[2], #ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
if refusal == 0 then return redis.call('EXISTS', KEYS[1]) - 1 end
if refusal then return refusal end
-- Invariant B1: an inbox that is not there is never made here: nobody would read it.
if not redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'd', ARGV[1], 'p', total) then return -1 end
redis.call('HSET', KEYS[2], 'in', total)
return 1`

/**
 * Looks up one user or group and appends to each of its inboxes, on a server that has them all. Answers the stamp and
 * the nodes; the publisher's own node may be among them, but its inbox is left out. If it is not clear who is where, or
 * one of the inboxes does not take the batch, it appends nothing and answers nil. A call that comes twice, or too late,
 * is answered but not carried out again.
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

/** Inboxes. "in" and "out" count bytes and never go back, so an ack that is sent twice takes nothing away twice. */
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
-- An entry that is not ours has no count of bytes, or any.
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
