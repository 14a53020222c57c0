import { align } from './align.ts'
import { format } from './numbers.ts'
import type { Outcome, Row } from './outcome.ts'

export function tableOf({ scenario, rows }: Outcome): string {
  const heads = ['', ...scenario.figures.map(({ label, unit }) => `${label} (${unit})`)]
  const cells = rows.map((row) => [row.label, ...scenario.figures.map(({ key }) => cellOf(row, key))])
  return align([heads, ...cells])
}

function cellOf({ median, failure }: Row, key: string): string {
  return failure === undefined ? format(median[key]) : 'failed'
}
