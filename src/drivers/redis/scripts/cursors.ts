import { EXTENT, MESSAGES } from './log-parts.ts'
import { INT, NOW } from './lua.ts'

/** How far devices have acked the mailbox of their user. */
export const cursorScripts = {
  fltMoveCursors: {
    lua: `${NOW}${INT}${EXTENT}
-- KEYS (list meta)…; ARGV most (born term number device)…
local function move(meta, born, list, term, number, device)
  local known, terms, _, top = extentOf(list, meta)
  -- Invariant L6: in another term the number may be that of another message, or of none yet.
  local common = known == born and commonNumber(terms, top, term, number)
  if not common then return end
  local field = 'c' .. device
  local stored = tonumber(string.match(redis.call('HGET', meta, field) or '', '^%d+')) or 0
  redis.call('HSET', meta, field, int(math.max(stored, common)) .. ' ' .. int(micros))
end
-- Forgets devices that are too many, and notes what all others have acked.
local function tidy(meta, most)
  local flat, devices = redis.call('HGETALL', meta), {}
  for at = 1, #flat, 2 do
    local number, seen = string.match(flat[at + 1], '^(%d+) (%d+)$')
    if seen and string.match(flat[at], '^c.') then
      devices[#devices + 1] = {field = flat[at], number = tonumber(number), seen = tonumber(seen)}
    end
  end
  table.sort(devices, function(one, other) return one.seen > other.seen end)
  local slowest = 0
  for at, device in ipairs(devices) do
    if at > most then redis.call('HDEL', meta, device.field)
    elseif slowest == 0 or device.number < slowest then slowest = device.number end
  end
  if #devices > 0 then redis.call('HSET', meta, 's', int(slowest)) end
end
for at = 1, #KEYS / 2 do
  local list, meta = KEYS[2 * at - 1], KEYS[2 * at]
  local born, term, number, device = unpack(ARGV, 4 * at - 2, 4 * at + 1)
  -- What comes later in this call was seen later.
  micros = micros + 1
  move(meta, born, list, term, tonumber(number), device)
  tidy(meta, tonumber(ARGV[1]))
end
return 1`,
  },

  fltCursors: {
    numberOfKeys: 2,
    lua: `${INT}${MESSAGES}${EXTENT}
-- KEYS list meta
local _, _, first, top, length = extentOf(KEYS[1], KEYS[2])
local flat, found = redis.call('HGETALL', KEYS[2]), {}
for at = 1, #flat, 2 do
  local number, seen = string.match(flat[at + 1], '^(%d+) (%d+)$')
  if seen and string.match(flat[at], '^c.') then
    local unread = length - indexOf(KEYS[1], length, first, top, number + 1)
    found[#found + 1] = {string.sub(flat[at], 2), number, seen, int(unread)}
  end
end
return found`,
  },
} as const
