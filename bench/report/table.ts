import { format } from './numbers.ts'
import type { Outcome, Row } from './outcome.ts'

/** A table in Markdown, aligned so that a terminal shows it as well. */
export function tableOf({ scenario, rows }: Outcome): string {
  const heads = ['', ...scenario.figures.map(({ label, unit }) => `${label} (${unit})`)]
  const cells = rows.map((row) => [row.label, ...scenario.figures.map(({ key }) => cellOf(row, key))])
  return align([heads, ...cells])
}

function cellOf({ median, failure }: Row, key: string): string {
  return failure === undefined ? format(median[key]) : 'failed'
}

function align(lines: readonly (readonly string[])[]): string {
  const [heads = []] = lines
  const widths = heads.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const [head, ...rest] = lines.map((line) => `| ${line.map(pad).join(' | ')} |`)
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [head, rule, ...rest].join('\n')
}
