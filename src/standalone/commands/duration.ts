const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `90s`, `15m`, `1h`, `7d` in seconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  if (match === null) return undefined
  const seconds = Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS]
  return seconds > 0 ? seconds : undefined
}
