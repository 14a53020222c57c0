import type { Figures, Scenario } from '../scenarios/scenario.ts'
import type { Role } from '../systems/system.ts'

/** The results of all runs of a scenario. */
export interface Outcome {
  readonly scenario: Scenario
  readonly rows: readonly Row[]
  /** How many cores other processes used meanwhile. */
  readonly bystanders: number
}

/** The results of one system. */
export interface Row {
  readonly system: string
  readonly label: string
  readonly role: Role
  readonly runs: readonly Figures[]
  /** The median of the runs. */
  readonly median: Figures
  /** Why there are no figures. */
  readonly failure?: string
}

export function medianOf(runs: readonly Figures[]): Figures {
  const keys = Object.keys(runs[0] ?? {})
  return Object.fromEntries(keys.map((key) => [key, middle(runs.map((run) => run[key] ?? Number.NaN))]))
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const upper = sorted[Math.floor(half)] ?? Number.NaN
  return Number.isInteger(half) ? ((sorted[half - 1] ?? Number.NaN) + upper) / 2 : upper
}
