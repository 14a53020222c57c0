import { LONGEST_ID } from '../../push-ids.ts'
import { INT, NOW } from './lua.ts'

/**
 * How many minutes there are in which a record that is valid now can end, and one more, so that no two share a hash.
 */
export const ID_MINUTES = LONGEST_ID / 60_000 + 2
const KEY_COUNT = 1 + ID_MINUTES

/** If a value has more bytes than this, Redis gives up the compact form of the whole hash (hash-max-listpack-value). */
const MAX_COMPACT = 64

/**
 * A record of an idempotency key: its state (`d`one or `o`pen), until when it is valid, in ms (6 bytes), a mark of the
 * push's digest (12 bytes), and a rest. The rest of a done record is its answer; that of an open one is "heldUntil
 * nodes" if an earlier attempt had reached some nodes. A record is in the hash of the minute in which it ends, which
 * Redis forgets as a whole; a long record has a key of its own. A hash is named by its minute modulo the number of
 * hashes, which is one more than can be in use.
 */
const RECORDS = `
-- KEYS own minutes…; ARGV field mark ttl
local MINUTE = 60000
local field, mark = ARGV[1], ARGV[2]
local ends = now + math.min(tonumber(ARGV[3]), ${LONGEST_ID})
local function hashOf(time) return KEYS[2 + math.floor(time / MINUTE) % (#KEYS - 1)] end
local function ifValid(record)
  if not record or #record < 19 then return end
  local state, till, digest, at = struct.unpack('>c1I6c12', record)
  if till > now then return {state = state, till = till, mark = digest, rest = string.sub(record, at)} end
end
-- Finds the only record of the id, and its key. A reservation ends soon, so it is found first.
local function find()
  local known = ifValid(redis.call('GET', KEYS[1]))
  if known then return known, KEYS[1] end
  for minute = 0, #KEYS - 2 do
    local key = hashOf(now + minute * MINUTE)
    known = ifValid(redis.call('HGET', key, field))
    if known then return known, key end
  end
end
local function drop(key)
  if key == KEYS[1] then redis.call('DEL', key) elseif key then redis.call('HDEL', key, field) end
end
local function write(before, state, till, rest)
  local record = struct.pack('>c1I6c12', state, till, mark) .. rest
  -- Invariant I5: a field of a shared hash takes a fraction of what a key takes.
  local key = #record > ${MAX_COMPACT} and KEYS[1] or hashOf(till)
  if before ~= key then drop(before) end
  if key == KEYS[1] then return redis.call('SET', key, record, 'PXAT', int(till)) end
  redis.call('HSET', key, field, record)
  local gone = (math.floor(till / MINUTE) + 1) * MINUTE
  if redis.call('PTTL', key) < gone - now then redis.call('PEXPIREAT', key, int(gone)) end
end
`

/** Idempotency keys. */
export const pushIdScripts = {
  fltReserveId: {
    numberOfKeys: KEY_COUNT,
    lua: `${NOW}${INT}${RECORDS}
local known, key = find()
local held, stored
if known then
  if known.mark ~= mark then return {'conflict'} end
  if known.state == 'd' then return {'done', known.rest} end
  held, stored = string.match(known.rest, '^(%d+) (.*)$')
  if now < (tonumber(held) or known.till) then return {'pending'} end
end
local rest = stored and int(ends) .. ' ' .. stored or ''
write(key, 'o', math.max(ends, known and known.till or 0), rest)
return {'fresh', stored or ''}`,
  },

  // A caller whose reservation has lapsed comes too late: what another caller has settled stays.
  fltSettleId: {
    numberOfKeys: KEY_COUNT,
    lua: `${NOW}${INT}${RECORDS}
-- ARGV … answer
local known, key = find()
-- Invariant I1: an id that has answered once answers the same from then on.
if known and known.state == 'd' then return 0 end
write(key, 'd', ends, ARGV[4])
return 1`,
  },

  fltReleaseId: {
    numberOfKeys: KEY_COUNT,
    lua: `${NOW}${INT}${RECORDS}
-- ARGV … stored
local known, key = find()
if known and known.state == 'd' then return 0 end
if ARGV[4] == '' then drop(key) else write(key, 'o', ends, '0 ' .. ARGV[4]) end
return 1`,
  },
} as const
