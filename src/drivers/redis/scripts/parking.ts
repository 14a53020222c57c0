import { INT, NOW, WITHOUT } from './lua.ts'

/** Messages that are parked for users who are on no node. */
export const parkingScripts = {
  // Parks messages; each counts the users that it waits for. This is one step: either the user is on a node, or whoever
  // binds the user next finds the message. In a user's hash, the field with an empty name counts the bytes of the
  // messages.
  fltPark: {
    lua: `${NOW}${INT}${WITHOUT}
-- KEYS (route parked)… message…; ARGV ignored most mostBytes ttl userCount (id bytes keepFor count (user stamp)…)…
local ignored, most, mostBytes, ttl, userCount = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local order, answers, isFound = 0, {}, {}
for user = 1, userCount do
  -- Invariant P1: in one step, so that a message meets its user here or is named to who binds next.
  isFound[user] = without(redis.call('GET', KEYS[2 * user - 1]), ignored) ~= ''
end
local function isFull(parked, size)
  local count = redis.call('HLEN', parked) - 1
  -- Invariant P2: bounded, because many never come back.
  return count >= most or count > 0 and tonumber(redis.call('HGET', parked, '')) + size > mostBytes
end
local function forgetOld(parked)
  local rows = redis.call('HGETALL', parked)
  for at = 1, #rows, 2 do
    local since, size = string.match(rows[at + 1], ' (%d+) (%d+)$')
    if since and tonumber(since) < micros - ttl * 1000 then
      redis.call('HDEL', parked, rows[at])
      redis.call('HINCRBY', parked, '', -size)
    end
  end
end
local function extend(key, keepFor)
  if keepFor == ttl or redis.call('PTTL', key) < keepFor then redis.call('PEXPIRE', key, keepFor) end
end
-- A row is "µs order stamp since bytes". "since" is when the message was last parked: a reader that read it before that
-- must not take it away. A row that is kept for less than ttl has an earlier "since", so that all rows end ttl after it.
local function parkAgain(parked, id, row, since, keepFor)
  local head, before, size = string.match(row, '^(%d+ %d+ %S+) (%d+) (%d+)$')
  redis.call('HSET', parked, id, head .. ' ' .. int(math.max(before + 1, since)) .. ' ' .. size)
  extend(parked, keepFor)
end
local function park(parked, id, stamp, size, keepFor)
  local row = redis.call('HGET', parked, id)
  local since = micros - (ttl - keepFor) * 1000
  if row then
    parkAgain(parked, id, row, since, keepFor)
    return 0
  end
  if isFull(parked, size) then
    forgetOld(parked)
    if isFull(parked, size) then return nil end
  end
  order = order + 1
  redis.call('HSET', parked, id, int(micros) .. ' ' .. order .. ' ' .. stamp .. ' ' .. int(since) .. ' ' .. size)
  redis.call('HINCRBY', parked, '', size)
  extend(parked, keepFor)
  return 1
end
local at = 6
for message = 2 * userCount + 1, #KEYS do
  local id, bytes, keepFor, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local parkedCount, isKept = 0, false
  local isStored = redis.call('EXISTS', KEYS[message]) == 1
  at = at + 4
  for _ = 1, count do
    local user = tonumber(ARGV[at])
    local answer = 'found'
    if not isFound[user] then
      local added = park(KEYS[2 * user], id, ARGV[at + 1], #bytes, keepFor)
      if added then
        -- The message may have lapsed here, although this user's row has not.
        parkedCount = parkedCount + (isStored and added or 1)
        isKept = true
      end
      answer = added and 'parked' or 'full'
    end
    answers[#answers + 1] = answer
    at = at + 2
  end
  if isKept then
    -- Invariant P4: the bytes are stored once, however many wait for them.
    redis.call('HSET', KEYS[message], 'bytes', bytes)
    redis.call('HINCRBY', KEYS[message], 'users', parkedCount)
    extend(KEYS[message], keepFor)
  end
end
return table.concat(answers, ' ')`,
  },

  // The time of the server that has what is parked, in µs.
  fltParkedAt: {
    numberOfKeys: 1,
    lua: `${NOW}${INT}
-- KEYS parked
return int(micros)`,
  },

  fltUnpark: {
    lua: `${NOW}
-- KEYS parked message…; ARGV ttl (id since)…
for at = 2, #KEYS do
  local id, since = ARGV[2 * at - 2], ARGV[2 * at - 1]
  local row = redis.call('HGET', KEYS[1], id)
  -- Invariant P3: a row that was parked once more since it was read waits for the user's next return.
  if row and string.match(row, ' (%d+) %d+$') == since then
    redis.call('HDEL', KEYS[1], id)
    redis.call('HINCRBY', KEYS[1], '', -string.match(row, '%d+$'))
    -- The message may have lapsed, and been stored again for others. Then this user is not counted in it.
    local isCounted = tonumber(since) >= micros - ARGV[1] * 1000 and redis.call('EXISTS', KEYS[at]) == 1
    if isCounted and redis.call('HINCRBY', KEYS[at], 'users', -1) <= 0 then
      redis.call('DEL', KEYS[at])
    end
  end
end
if redis.call('HLEN', KEYS[1]) <= 1 then redis.call('DEL', KEYS[1]) end
return 1`,
  },
} as const
