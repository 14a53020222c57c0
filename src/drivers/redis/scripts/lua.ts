// Lines that several scripts begin with.

/** The store's clock: µs and ms since 1970. */
export const NOW = `
local clock = redis.call('TIME')
local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(micros / 1000)
`

/** Numbers above 2^31 must not become 1.8e+15. */
export const INT = `local function int(n) return string.format('%.0f', n) end
`
