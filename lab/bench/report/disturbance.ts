import type { Outcome } from './outcome.ts'

/** In cores. Any machine spends up to this much in the background. */
const TOLERATED = 0.1

/** A warning if other processes were busy during the measurement. */
export function disturbanceOf({ bystanders }: Outcome): string {
  if (bystanders <= TOLERATED) return ''
  return `Other processes used ${bystanders.toFixed(1)} cores meanwhile: measure again when the machine is quiet.`
}
