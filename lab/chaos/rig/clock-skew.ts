import { existsSync } from 'node:fs'

/** In the syntax of libfaketime. */
export type ClockSkew = '+3600' | '-3600' | '+0 x10'

// Debian's package is `faketime`.
const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path))

export const canSkewClocks = library !== undefined

/**
 * The environment of a process whose wall clock is wrong. Its monotonic clock is right, as it would be on a real
 * machine.
 */
export function skewedEnvironment(skew: ClockSkew | undefined): NodeJS.ProcessEnv {
  if (skew === undefined || library === undefined) return {}
  return { LD_PRELOAD: library, FAKETIME: skew, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' }
}
