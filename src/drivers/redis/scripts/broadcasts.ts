import { INT, NOW } from './lua.ts'

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

/** Answers 1 and the number of readers, 0 where the stream is full, -1 where it is being rebuilt. */
export const publishAllLua = `${NOW}${INT}${TRIM_ALL}
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
return {1, readers, epoch}`

/** The stream for everyone. A cursor is "id bytes": what its node has read of it. */
export const broadcastScripts = {
  fltOpenAll: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS meta cursors; ARGV node salt
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[2] .. ':' .. int(now))
local meta = redis.call('HMGET', KEYS[1], 'last', 'in', 'epoch')
redis.call('HSETNX', KEYS[2], ARGV[1], (meta[1] or '0-0') .. ' ' .. (meta[2] or '0'))
return meta[3]`,
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
} as const
