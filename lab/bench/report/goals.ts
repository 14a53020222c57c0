import { align } from '../../report/align.ts'
import { format } from '../../report/numbers.ts'
import { type Goal, isReached } from '../scenarios/goal.ts'
import type { Outcome } from './outcome.ts'

/** Each goal and what was reached; empty if there was no system to compare with. */
export function goalsOf({ scenario, rows }: Outcome): string {
  const find = (system: string, figure: string): number | undefined =>
    rows.find((row) => row.system === system && row.failure === undefined)?.median[figure]
  const lines = scenario.goals.flatMap((goal) => {
    const value = goal.measure(find)
    return value === undefined ? [] : [lineOf(goal, value)]
  })
  return lines.length === 0 ? '' : align([['Flotilla', 'goal', 'measured', ''], ...lines])
}

function lineOf(goal: Goal, value: number): string[] {
  const { label, target, unit, better } = goal
  const bound = better === 'more' ? 'at least' : 'at most'
  return [
    label,
    `${bound} ${target} ${unit}`,
    `${format(value)} ${unit}`,
    isReached(goal, value) ? 'reached' : 'missed',
  ]
}
