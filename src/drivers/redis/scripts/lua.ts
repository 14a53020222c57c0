// Lines that several scripts begin with.

// Invariant K1: the store's clock alone decides who is dead and what is young.
/** The store's clock: µs and ms since 1970. */
export const NOW = `
local clock = redis.call('TIME')
local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(micros / 1000)
`

/** Writes a number as an integer: Lua would write a large one as 1.8e+15. */
export const INT = `local function int(n) return string.format('%.0f', n) end
`

/**
 * A route is "nodeA nodeB". Answers the other nodes in it, each after a space, and whether the node itself is in it.
 */
export const WITHOUT = `
local function without(route, node)
  local others, listed = '', false
  if not route then return others, listed end
  for word in string.gmatch(route, '%S+') do
    if word == node then listed = true else others = others .. ' ' .. word end
  end
  return others, listed
end
local function unlist(key, node)
  local others, listed = without(redis.call('GET', key), node)
  if not listed then return end
  if others == '' then redis.call('DEL', key) else redis.call('SET', key, string.sub(others, 2)) end
end
`
