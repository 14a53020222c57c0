import { INT, NOW } from './lua.ts'

/**
 * Places, "id bytes". Their ids say which is before which: an entry that somebody else has appended has no count of
 * bytes.
 */
const PLACES = `
local function placeOf(cursor)
  local ms, seq, bytes = string.match(cursor, '^(%d+)-(%d+) ?(%d*)')
  return {ms = tonumber(ms), seq = tonumber(seq), bytes = tonumber(bytes) or 0}
end
local function slowestOf(cursors, slowest)
  for _, cursor in ipairs(cursors) do
    local place = placeOf(cursor)
    if not slowest or place.ms < slowest.ms or (place.ms == slowest.ms and place.seq < slowest.seq) then slowest = place end
  end
  return slowest
end
`

/**
 * Trims the broadcast stream to its slowest reader, and answers how many bytes are gone in all. It looks at every
 * cursor, and at the places that are held for processes that may come back: "id bytes until".
 */
const TRIM_ALL = `${PLACES}
local function trim(stream, meta, cursors, held, now)
  local slowest = slowestOf(redis.call('HVALS', cursors))
  local flat = redis.call('HGETALL', held)
  for at = 1, #flat, 2 do
    if tonumber(string.match(flat[at + 1], '(%d+)$')) < now then redis.call('HDEL', held, flat[at])
    else slowest = slowestOf({flat[at + 1]}, slowest) end
  end
  local gone = slowest and slowest.bytes or tonumber(redis.call('HGET', meta, 'in')) or 0
  -- Invariant A2: to the slowest, never to a length, which would leave a hole that nobody sees.
  if slowest then redis.call('XTRIM', stream, 'MINID', int(slowest.ms) .. '-' .. int(slowest.seq + 1))
  else redis.call('DEL', stream) end
  redis.call('HSET', meta, 'out', int(gone))
  return gone
end
`

/**
 * Answers 1, the number of readers and the epoch; 0 if the stream is full; -2 if a reader is behind; -1 if the stream
 * was lost and its readers may not be back yet. Whatever the slowest reader has not read was appended at "since" or
 * later, as in an inbox.
 */
export const publishAllLua = `${NOW}${INT}${TRIM_ALL}
-- KEYS stream meta cursors held; ARGV bytes bound salt knownEpoch grace maxLag
local meta = redis.call('HMGET', KEYS[2], 'in', 'out', 'epoch', 'since')
local epoch = meta[3]
if not epoch then
  epoch = ARGV[3] .. ':' .. int(now)
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
-- Invariant A7: the stream was lost and its readers are only coming back, so nothing is stored before they had the time.
-- The stream was lost and its readers are still coming back: nothing is stored before they have had the time.
if ARGV[4] ~= '' and ARGV[4] ~= epoch and now - string.match(epoch, ':(%d+)$') < tonumber(ARGV[5]) then return {-1} end
local readers = redis.call('HLEN', KEYS[3])
if readers == 0 then return {1, 0, epoch} end
local total, gone = tonumber(meta[1]) or 0, tonumber(meta[2]) or 0
local function isFull() return total > gone and total - gone + #ARGV[1] > tonumber(ARGV[2]) end
-- Readers trim only now and then. So before anything is refused, entries that all have read go, and then those that are
-- only held.
if isFull() then gone = trim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], now) end
-- Invariant A5: a place that is only held costs nobody a broadcast.
if isFull() and redis.call('DEL', KEYS[4]) == 1 then gone = trim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], now) end
if isFull() then return {0} end
local function isBehind(maxLag)
  if now - (tonumber(meta[4]) or 0) <= maxLag then return false end
  local slowest = slowestOf(redis.call('HVALS', KEYS[3]))
  local after = '(' .. int(slowest.ms) .. '-' .. int(slowest.seq)
  local unread = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', 1)[1]
  local since = unread and tonumber(string.match(unread[1], '^%d+')) or now
  redis.call('HSET', KEYS[2], 'since', int(since))
  return now - since > maxLag
end
if ARGV[6] ~= '0' and total > gone and isBehind(tonumber(ARGV[6])) then return {-2} end
total = int(total + #ARGV[1])
local id = redis.call('XADD', KEYS[1], '*', 'd', ARGV[1], 'p', total)
redis.call('HSET', KEYS[2], 'in', total, 'last', id)
return {1, readers, epoch}`

/** The stream of broadcasts. A node's cursor, "id bytes", says how far it has read. */
export const broadcastScripts = {
  fltOpenAll: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}
-- KEYS meta cursors held seats; ARGV node salt before process
redis.call('HDEL', KEYS[4], ARGV[4])
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[2] .. ':' .. int(now))
local meta = redis.call('HMGET', KEYS[1], 'last', 'in', 'epoch')
-- Invariant A1: a node has a place before it reads, or what comes between two reads is lost.
local place = redis.call('HGET', KEYS[2], ARGV[3]) or redis.call('HGET', KEYS[3], ARGV[3])
place = place and string.match(place, '^%S+ %d+') or (meta[1] or '0-0') .. ' ' .. (meta[2] or '0')
redis.call('HSETNX', KEYS[2], ARGV[1], place)
-- The new place may lie before all others.
redis.call('HDEL', KEYS[1], 'since')
return {meta[3], redis.call('HGET', KEYS[2], ARGV[1])}`,
  },

  // A marker "after upTo" in the stream makes its readers go back; the entries that they have to read again are held.
  // The marker counts as one byte, so that every entry has its own count.
  fltReplayAll: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}
-- KEYS stream meta cursors held; ARGV node holdFor
local cursor = redis.call('HGET', KEYS[3], ARGV[1])
if not cursor then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
local meta = redis.call('HMGET', KEYS[2], 'in', 'last')
-- Nobody is left to read the entries again.
if redis.call('HLEN', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[1], KEYS[4])
  redis.call('HSET', KEYS[2], 'out', meta[1] or 0)
  return 0
end
local id, bytes = string.match(cursor, '^(%S+) (%d+)$')
if not meta[2] or tonumber(bytes) >= tonumber(meta[1]) or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local total = int(meta[1] + 1)
local marker = redis.call('XADD', KEYS[1], '*', 'r', id .. ' ' .. meta[2], 'p', total)
redis.call('HSET', KEYS[2], 'in', total, 'last', marker)
redis.call('HSET', KEYS[4], ARGV[1], cursor .. ' ' .. int(now + ARGV[2]))
redis.call('PEXPIRE', KEYS[4], ARGV[2])
return 1`,
  },

  // Answers in how many ms the next held place lapses; 0 if there is none.
  fltAckAll: {
    numberOfKeys: 4,
    lua: `${NOW}${INT}${TRIM_ALL}
-- KEYS stream meta cursors held; ARGV node id bytes pause. Without an id, the node's place is removed.
local function untilLapse()
  local soonest = 0
  for _, cursor in ipairs(redis.call('HVALS', KEYS[4])) do
    local left = math.max(tonumber(string.match(cursor, '(%d+)$')) - now, 1)
    if soonest == 0 or left < soonest then soonest = left end
  end
  return soonest
end
local known = redis.call('HGET', KEYS[3], ARGV[1])
if ARGV[2] == '' then redis.call('HDEL', KEYS[3], ARGV[1])
elseif known then
  -- An entry that is not ours has no count of bytes, or any.
  local total = tonumber(redis.call('HGET', KEYS[2], 'in')) or 0
  local bytes = math.min(math.max(tonumber(string.match(ARGV[3], '^%d+$')) or 0, placeOf(known).bytes), total)
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ' ' .. int(bytes))
end
if ARGV[2] ~= '' and now - (tonumber(redis.call('HGET', KEYS[2], 'trimmed')) or 0) < tonumber(ARGV[4]) then return untilLapse() end
redis.call('HSET', KEYS[2], 'trimmed', int(now))
trim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], now)
return untilLapse()`,
  },
} as const
