const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `90s`, `15m`, `1h`, `7d` in seconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  if (match === null) return undefined
  const seconds = Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS]
  return seconds > 0 ? seconds : undefined
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** Writes a time for people, by its two largest units: `2 d 3 h`, `5 min 0 s`, `0 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const first = UNITS.findIndex(([, size]) => whole >= size)
  const shown = UNITS.slice(first === -1 ? -1 : first).slice(0, 2)
  return shown
    .map(([unit, size], at) => `${Math.floor((whole % (shown[at - 1]?.[1] ?? Infinity)) / size)} ${unit}`)
    .join(' ')
}
