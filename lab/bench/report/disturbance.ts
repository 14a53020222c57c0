import type { Outcome } from './outcome.ts'

/** Cores; less is what any machine does by the way. */
const TOLERATED = 0.1

/** A warning where other processes were busy while it was measured. */
export function disturbanceOf({ bystanders }: Outcome): string {
  if (bystanders <= TOLERATED) return ''
  return `Other processes used ${bystanders.toFixed(1)} cores meanwhile: measure again when the machine is quiet.`
}
