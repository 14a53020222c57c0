import { align } from '../../report/align.ts'
import { format } from '../../report/numbers.ts'
import type { Figure } from '../scenarios/scenario.ts'
import type { Outcome, Row } from './outcome.ts'

/** A table with a line for each system, or for each system and circumstance if there are several circumstances. */
export function tableOf({ scenario: { figures }, rows }: Outcome): string {
  const circumstances = new Set(figures.map(({ at }) => at))
  const groups = Array.from(circumstances, (at) => figures.filter((figure) => figure.at === at))
  const heads = (groups[0] ?? []).map(({ label, unit }) => `${label} (${unit})`)
  return align([['', ...heads], ...rows.flatMap((row) => linesOf(row, groups))])
}

function linesOf(row: Row, groups: readonly (readonly Figure[])[]): string[][] {
  // A quick run leaves out some circumstances.
  const measured = groups.filter((figures) => figures.some(({ key }) => row.median[key] !== undefined))
  const [first = []] = groups
  return (measured.length === 0 ? [first] : measured).map((figures) => {
    const at = groups.length > 1 && row.failure === undefined ? figures[0]?.at : undefined
    const label = at === undefined ? row.label : `${row.label}, ${at}`
    return [label, ...figures.map(({ key }) => (row.failure === undefined ? format(row.median[key]) : 'failed'))]
  })
}
