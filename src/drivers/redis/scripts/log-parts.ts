// Lines that the scripts about logs begin with.

/**
 * What a log says of itself stands in a hash beside its list. e: when it was born; n: its top; f: its first; t: "name
 * begin" of the newest term, t1 to t7 of older ones; b: bytes of its messages; a: all of them were appended at this
 * time, in ms after the birth, or later; s: the number that all devices have acked. The cursor of a device is "number
 * seen", in a field with its name after the letter c. Names of fields are short, because there may be millions of logs.
 */
const TERM_FIELDS = "'t7', 't6', 't5', 't4', 't3', 't2', 't1', 't'"

/**
 * A message in a list: its number, when it was appended, the lengths of id and key, id, key, the length of what only its
 * readers understand, that, and the payload. Numbers grow along the list; one that is missing belongs to an empty place.
 * So a message that is taken out from between others leaves nothing behind, however often that happens.
 */
export const MESSAGES = `
-- Invariant K9: what somebody else wrote here has no number.
local function numberOf(row)
  if not row or #row < 16 then return 0 end
  local number = struct.unpack('>I6', row)
  return number
end
local function timeOf(row)
  if not row or #row < 16 then return 0 end
  local time = struct.unpack('>I6', row, 7)
  return time
end
-- Reads id and key from where their lengths stand: in a row at 13, in what is to be appended at 1.
local function namesIn(text, at)
  if not text or #text < at + 3 then return '', '' end
  local idLength, keyLength = struct.unpack('>I2I2', text, at)
  local id = string.sub(text, at + 4, at + 3 + idLength)
  return id, string.sub(text, at + 4 + idLength, at + 3 + idLength + keyLength)
end
local function payloadIn(row)
  if not row or #row < 24 then return 0 end
  local idLength, keyLength = struct.unpack('>I2I2', row, 13)
  local at = 17 + idLength + keyLength
  if #row < at + 3 then return 0 end
  local rest = struct.unpack('>I4', row, at)
  return math.max(0, #row - at - 3 - rest)
end
-- The index of the first message with this number or a larger one. Without empty places no message is looked at.
local function indexOf(list, length, first, top, number)
  local low = math.max(0, length - math.max(0, top - number + 1))
  local high = math.max(low, math.min(length, number - first))
  while low < high do
    local middle = math.floor((low + high) / 2)
    if numberOf(redis.call('LINDEX', list, middle)) < number then low = middle + 1 else high = middle end
  end
  return low
end
-- Takes one message out, and answers how many bytes it had; nil if it is not there.
local function takeOut(list, first, top, number)
  local length = redis.call('LLEN', list)
  local index = indexOf(list, length, first, top, number)
  local row = index < length and redis.call('LINDEX', list, index)
  if not row or numberOf(row) ~= number then return nil end
  redis.call('LSET', list, index, '')
  redis.call('LREM', list, index * 2 < length and 1 or -1, '')
  return #row
end
`

/** Where a channel is: its partition's epoch, and its nodes. Each is a text or a hash, and so tells which it is. */
export const PLACE = `
local function epochAt(key)
  if redis.call('TYPE', key).ok == 'hash' then return redis.call('HGET', key, 'epoch') or '' end
  return redis.call('GET', key) or ''
end
local function routeAt(key)
  if redis.call('TYPE', key).ok == 'hash' then return table.concat(redis.call('HKEYS', key), ' ') end
  return redis.call('GET', key) or ''
end
`

/**
 * Birth, terms, first, top and length of a log. If all messages have expired, the first is behind the top. If there is no
 * log, the birth is empty.
 */
export const EXTENT = `
local function extentOf(list, meta)
  local row = redis.call('HMGET', meta, 'e', 'n', 'f', 'b', ${TERM_FIELDS})
  local born, top, first, bytes = row[1], tonumber(row[2]) or 0, tonumber(row[3]) or 1, tonumber(row[4]) or 0
  if not born then return '', {}, 1, 0, 0 end
  local length, terms = redis.call('LLEN', list), {}
  for at = 5, 12 do
    if row[at] then terms[#terms + 1] = row[at] end
  end
  if length == 0 and bytes > 0 then first = top + 1 end
  return born, terms, first, top, length
end
-- The largest number up to this one that the log has in common with a position of this term.
local function commonNumber(terms, top, name, number)
  for at = 1, #terms do
    if string.match(terms[at], '^%S+') == name then
      local next = terms[at + 1] and tonumber(string.match(terms[at + 1], '%d+$'))
      return math.min(number, next and next - 1 or top)
    end
  end
end
`
