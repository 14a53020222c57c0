import { EXTENT, MESSAGES, PLACE } from './log-parts.ts'
import { INT, NOW } from './lua.ts'

/** How many messages one append trims. More can only be there if the rule has changed, and go with later appends. */
const MOST = 1_000

/**
 * Appends messages and answers for each: its number, the birth of the log, the term, the epoch of the partition with its
 * stamp, and the nodes of the route. The rule is "last for bytes isCompact untilAcked margin". "since" is how many ms
 * ago the message may have been appended before; -1 if it is new.
 */
export const appendLua = `${NOW}${INT}${MESSAGES}${PLACE}
-- KEYS (epoch route list meta keys)…; ARGV (rule since message)…
-- The history of writes that this server has, as it says itself: whoever sends an append cannot know where it is carried
-- out. A user that may not ask has one history for ever.
local info = redis.pcall('INFO', 'replication')
local history = type(info) == 'string' and string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)') or '-'

-- Looks for a message by its id, from the newest back to a time. A second is for a clock that was set back.
local function find(list, id, since)
  local stop = -1
  while true do
    local rows = redis.call('LRANGE', list, stop - 49, stop)
    for at = #rows, 1, -1 do
      if namesIn(rows[at], 13) == id then return numberOf(rows[at]) end
      if timeOf(rows[at]) < since - 1000 then return nil end
    end
    if #rows < 50 then return nil end
    stop = stop - 50
  end
end

local function beginTerm(meta, log)
  -- Invariant L5: another history may lack what was appended last, and gives its numbers again.
  if log.term and string.sub(log.term, 1, #history + 1) == history .. ' ' then return end
  if log.term then
    local older = redis.call('HMGET', meta, 't1', 't2', 't3', 't4', 't5', 't6')
    for at = 6, 1, -1 do
      if older[at] then redis.call('HSET', meta, 't' .. (at + 1), older[at]) end
    end
    redis.call('HSET', meta, 't1', log.term)
  end
  log.term = history .. ' ' .. int(log.top + 1)
end

-- A log says its birth in µs, and other times in ms after it: Redis stores a small number in few bytes.
local function birthOf(born) return math.floor((tonumber(born, 16) or 0) / 1000) end
local function open(list, meta, keys)
  local row = redis.call('HMGET', meta, 'e', 't', 'n', 'f', 'b', 'a', 's')
  if row[1] then
    return {
      born = row[1], term = row[2], top = tonumber(row[3]) or 0, first = tonumber(row[4]) or 1,
      bytes = tonumber(row[5]) or 0, since = birthOf(row[1]) + (tonumber(row[6]) or 0), acked = tonumber(row[7]) or 0,
    }
  end
  -- What is left of a log without numbers cannot be read with those of a new one.
  redis.call('DEL', list, keys)
  return {born = string.format('%x', micros), top = 0, first = 1, bytes = 0, since = now, acked = 0}
end

local function trim(list, keys, log, rule, length)
  local acked = rule.untilAcked and log.acked - rule.margin or 0
  local function isOver()
    if length > rule.last or log.bytes > rule.bytes then return true end
    if log.since >= now - rule.life and acked < log.first then return false end
    local oldest = redis.call('LINDEX', list, 0)
    log.since = timeOf(oldest)
    return log.since < now - rule.life or numberOf(oldest) <= acked
  end
  local most = ${MOST}
  -- Invariant L4: bounded, but the new message stays.
  while length > 1 and most > 0 and isOver() do
    local row = redis.call('LPOP', list)
    local number, _, key = numberOf(row), namesIn(row, 13)
    if number >= log.first then log.first = number + 1 end
    log.bytes = log.bytes - #row
    if rule.isCompact and key ~= '' and redis.call('HGET', keys, key) == int(number) then redis.call('HDEL', keys, key) end
    length, most = length - 1, most - 1
  end
end

local function append(list, meta, keys, rule, since, message)
  local log = open(list, meta, keys)
  local id, key = namesIn(message, 1)
  -- Invariant L2: it is in the log already if an earlier attempt was carried out and its reply was lost.
  local known = since >= 0 and log.top > 0 and find(list, id, now - since)
  if known then return known, log end
  beginTerm(meta, log)
  log.top = log.top + 1
  local row = struct.pack('>I6I6', log.top, now) .. message
  local length = redis.call('RPUSH', list, row)
  -- Invariant L3: all messages have expired, and were not erased; the numbers go on.
  if length == 1 and log.bytes > 0 then
    log.first, log.bytes, log.since = log.top, 0, now
  end
  log.bytes = log.bytes + #row
  if rule.isCompact and key ~= '' then
    local older = tonumber(redis.call('HGET', keys, key))
    local size = older and takeOut(list, log.first, log.top, older)
    if size then length, log.bytes = length - 1, log.bytes - size end
    redis.call('HSET', keys, key, int(log.top))
    redis.call('PEXPIRE', keys, int(rule.life))
  end
  trim(list, keys, log, rule, length)
  redis.call('HSET', meta, 'e', log.born, 't', log.term, 'n', int(log.top), 'f', int(log.first), 'b', int(log.bytes), 'a', int(log.since - birthOf(log.born)))
  redis.call('PEXPIRE', list, int(rule.life))
  redis.call('PEXPIRE', meta, int(2 * rule.life))
  return log.top, log
end

local function ruleOf(text)
  local last, life, bytes, isCompact, untilAcked, margin = string.match(text, '^(%d+) (%d+) (%d+) (%d) (%d) (%d+)$')
  return {
    last = tonumber(last), life = tonumber(life), bytes = tonumber(bytes),
    isCompact = isCompact == '1', untilAcked = untilAcked == '1', margin = tonumber(margin),
  }
end

local answers = {}
for at = 1, #KEYS / 5 do
  local epoch, route, list, meta, keys = unpack(KEYS, 5 * at - 4, 5 * at)
  local rule, since, message = unpack(ARGV, 3 * at - 2, 3 * at)
  local number, log = append(list, meta, keys, ruleOf(rule), tonumber(since), message)
  local term = string.match(log.term or '', '^%S+') or ''
  answers[at] = {int(number), log.born, term, epochAt(epoch), routeAt(route)}
end
return answers`

/** Reads of logs. They are scripts, because a list and what its hash says of it have to be of one moment. */
export const readLogLua = `${INT}${MESSAGES}${PLACE}${EXTENT}
-- KEYS epoch list meta; ARGV isBackwards number count bytes
local born, terms, first, top, length = extentOf(KEYS[2], KEYS[3])
local number, count, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local isBackwards = ARGV[1] == '1'
local from, to = math.max(number, first), top
local start, stop
if isBackwards then
  from, to = first, math.min(number - 1, top)
  stop = indexOf(KEYS[2], length, first, top, to + 1) - 1
  start = math.max(0, stop - count)
else
  start = indexOf(KEYS[2], length, first, top, from)
  stop = math.min(length - 1, start + count)
end
-- One more than the page may have tells whether the page is cut.
local rows = start <= stop and redis.call('LRANGE', KEYS[2], start, stop) or {}
local page, size, isCut = {}, 0, false
local begin, last, step = 1, #rows, 1
if isBackwards then begin, last, step = #rows, 1, -1 end
for at = begin, last, step do
  size = size + payloadIn(rows[at])
  if #page == count or #page > 0 and size > most then
    isCut = true
    break
  end
  page[#page + 1] = rows[at]
end
if isCut and isBackwards then from = numberOf(page[#page]) end
if isCut and not isBackwards then to = numberOf(page[#page]) end
return {epochAt(KEYS[1]), born, terms, int(first), int(top), int(from), int(to), page}`

/** Logs of channels. */
export const logScripts = {
  fltExtents: {
    lua: `${INT}${PLACE}${EXTENT}
-- KEYS (epoch list meta)…
local answers = {}
for at = 1, #KEYS, 3 do
  local born, terms, first, top = extentOf(KEYS[at + 1], KEYS[at + 2])
  answers[#answers + 1] = {epochAt(KEYS[at]), born, terms, int(first), int(top)}
end
return answers`,
  },

  fltErase: {
    numberOfKeys: 3,
    lua: `${INT}${MESSAGES}${EXTENT}
-- KEYS list meta keys; ARGV born term number
local born, terms, first, top = extentOf(KEYS[1], KEYS[2])
local number = tonumber(ARGV[3])
-- Invariant L5: in another term the number may be that of another message.
if born ~= ARGV[1] or commonNumber(terms, top, ARGV[2], number) ~= number then return 0 end
local size = takeOut(KEYS[1], first, top, number)
if not size then return 0 end
local left = redis.call('HINCRBY', KEYS[2], 'b', -size)
-- An empty list is gone, and one that is gone with bytes has expired.
if redis.call('EXISTS', KEYS[1]) == 0 and left ~= 0 then redis.call('HSET', KEYS[2], 'b', 0) end
return 1`,
  },

  fltEraseAll: {
    numberOfKeys: 3,
    lua: `
-- KEYS list meta keys
redis.call('UNLINK', KEYS[1], KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
-- Invariant L3: the numbers stay, so that no number is given twice.
redis.call('HSET', KEYS[2], 'b', 0, 's', 0)
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.match(field, '^c.') then redis.call('HDEL', KEYS[2], field) end
end
return 1`,
  },
} as const
