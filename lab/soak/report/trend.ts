import { type Slope, slopeOf } from './slope.ts'

export const KIB = 1024
export const MIB = 1024 * KIB

/**
 * The first minutes do not count: code is being compiled, buffers find their sizes, and everything that a node
 * remembers for a minute or two (deliveries, departures) fills up.
 */
const SETTLING_SHARE = 0.3
const MIN_SETTLING = 2.5
/** The least minutes, and the least points, that a line needs. */
const MIN_SETTLED = 2
const MIN_POINTS = 20

/** One measurement of a value that is measured again and again. */
export interface Sample {
  /** Time since the first client connected. */
  readonly minutes: number
  readonly value: number
}

export interface Series {
  readonly name: string
  readonly samples: readonly Sample[]
  /**
   * By how many bytes the value may rise without counting as growing. Memory wanders, in a short run as much as in a
   * long one.
   */
  readonly bound: number
}

export type Trend = { readonly type: 'unknown' } | { readonly type: 'flat' | 'growing'; readonly slope: Slope }

/** A series is growing only if its slope exceeds the noise and the line rises by more than the bound. */
export function trendOf({ samples, bound }: Series): Trend {
  const end = samples.at(-1)?.minutes ?? 0
  const from = settlingOf(end)
  const settled = samples.filter(({ minutes }) => minutes >= from)
  if (end - from < MIN_SETTLED || settled.length < MIN_POINTS) return { type: 'unknown' }
  const slope = slopeOf(
    settled.map(({ minutes }) => minutes),
    settled.map(({ value }) => value),
  )
  const isGrowing = slope.perMinute - slope.noise > 0 && slope.perMinute * (end - from) > bound
  return { type: isGrowing ? 'growing' : 'flat', slope }
}

/** How many minutes at the start of a run do not count. */
export function settlingOf(minutes: number): number {
  return Math.max(MIN_SETTLING, minutes * SETTLING_SHARE)
}
