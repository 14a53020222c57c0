import { INT, NOW } from './lua.ts'

/**
 * Seats of inboxes. The ids of the nodes that have a place among the broadcasts, as every node with an open inbox does,
 * say which seats are taken. A seat that was given out, but whose inbox has yet to be opened, is remembered for a
 * while, as "seat until".
 */
export const seatScripts = {
  // Chooses the master with the fewest inboxes, and on it the seat with the fewest, so that a master's slots can be
  // divided later.
  fltSeat: {
    numberOfKeys: 2,
    lua: `${NOW}${INT}
-- KEYS cursors seats; ARGV process masters ttl; masters: one byte for each seat
local atSeat, atMaster = {}, {}
local function master(seat) return string.byte(ARGV[2], seat + 1) end
local function sit(seat)
  atSeat[seat] = (atSeat[seat] or 0) + 1
  atMaster[master(seat)] = (atMaster[master(seat)] or 0) + 1
end
for _, node in ipairs(redis.call('HKEYS', KEYS[1])) do
  local number = string.match(node, '%.(%d+)$')
  if number then sit(tonumber(number) % #ARGV[2]) end
end
local told = redis.call('HGETALL', KEYS[2])
for at = 1, #told, 2 do
  local seat, lasts = string.match(told[at + 1], '^(%d+) (%d+)$')
  if told[at] == ARGV[1] or tonumber(lasts) < now then
    redis.call('HDEL', KEYS[2], told[at])
  else
    sit(tonumber(seat))
  end
end
local best
for seat = 0, #ARGV[2] - 1 do
  local inboxes, there = atMaster[master(seat)] or 0, atSeat[seat] or 0
  if not best or inboxes < best.inboxes or (inboxes == best.inboxes and there < best.there) then
    best = { seat = seat, inboxes = inboxes, there = there }
  end
end
redis.call('HSET', KEYS[2], ARGV[1], best.seat .. ' ' .. int(now + ARGV[3]))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return best.seat`,
  },
} as const
