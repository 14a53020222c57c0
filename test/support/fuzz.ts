import type { Parameters } from 'fast-check'

/**
 * Settings for `count` runs, times `FLOTILLA_FUZZ`. A failure names its seed and path. To repeat it, set
 * `FLOTILLA_FUZZ_SEED` and `FLOTILLA_FUZZ_PATH`, and choose the test by `--test-name-pattern`.
 */
export function runs<T = unknown>(count: number): Parameters<T> {
  const { FLOTILLA_FUZZ: factor, FLOTILLA_FUZZ_SEED: seed, FLOTILLA_FUZZ_PATH: path } = process.env
  return {
    numRuns: Math.max(1, Math.round(count * Number(factor ?? 1))),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  }
}
