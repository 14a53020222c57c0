/** Every message is 128 bytes of JSON: {"t":<when it was sent, in ns of CLOCK_MONOTONIC>,"p":"xxx…"}. */
const BYTES = 128
const FRAME = '{"t":,"p":""}'.length

let padding = ''

/** The current time on the clock that the load client reads, too. */
export function stamp() {
  return Number(process.hrtime.bigint())
}

/** @param {number} t */
export function bodyOf(t) {
  return { t, p: paddingFor(t) }
}

/** @param {number} t */
export function textOf(t) {
  return `{"t":${t},"p":"${paddingFor(t)}"}`
}

/** @param {number} t */
function paddingFor(t) {
  const length = BYTES - FRAME - String(t).length
  if (padding.length !== length) padding = 'x'.repeat(length)
  return padding
}
