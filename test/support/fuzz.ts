import type { Parameters } from 'fast-check'

/**
 * So many runs, times `FLOTILLA_FUZZ`. What failed says its seed and path: `FLOTILLA_FUZZ_SEED` and `FLOTILLA_FUZZ_PATH`
 * bring it back, best with `--test-name-pattern`.
 */
export function runs<T = unknown>(count: number): Parameters<T> {
  const { FLOTILLA_FUZZ: factor, FLOTILLA_FUZZ_SEED: seed, FLOTILLA_FUZZ_PATH: path } = process.env
  return {
    numRuns: Math.max(1, Math.round(count * Number(factor ?? 1))),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  }
}
