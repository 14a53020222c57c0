/** Places in the broadcast stream, "id bytes". */
export const placeScripts = {
  // A place beyond the end of the stream comes from a server whose last entries were lost. New entries may come before
  // it. Then the node reads again everything that is there.
  fltPlaceInAll: {
    numberOfKeys: 2,
    lua: `
-- KEYS meta cursors; ARGV node
local cursor = redis.call('HGET', KEYS[2], ARGV[1])
if not cursor then return '0-0' end
local ms, seq = string.match(cursor, '^(%d+)-(%d+) ')
local meta = redis.call('HMGET', KEYS[1], 'last', 'out')
local lastMs, lastSeq = string.match(meta[1] or '0-0', '^(%d+)-(%d+)$')
ms, seq, lastMs, lastSeq = tonumber(ms), tonumber(seq), tonumber(lastMs), tonumber(lastSeq)
if ms > lastMs or (ms == lastMs and seq > lastSeq) then
  redis.call('HSET', KEYS[2], ARGV[1], '0-0 ' .. (meta[2] or '0'))
  redis.call('HDEL', KEYS[1], 'since')
  return '0-0'
end
return string.match(cursor, '^%S+')`,
  },
} as const
