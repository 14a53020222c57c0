/**
 * A table in Markdown that a terminal shows well, too: its first column to the left, and the others, which are numbers
 * unless it says otherwise, to the right.
 */
export function align(lines: readonly (readonly string[])[], others: 'left' | 'right' = 'right'): string {
  const [heads = []] = lines
  const widths = heads.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)))
  const isLeft = (column: number): boolean => column === 0 || others === 'left'
  const pad = (cell: string, column: number): string =>
    isLeft(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const [head, ...rest] = lines.map((line) => `| ${line.map(pad).join(' | ')} |`)
  const rules = widths.map((width, column) => {
    const dashes = '-'.repeat(width - 1)
    return isLeft(column) ? `:${dashes}` : `${dashes}:`
  })
  return [head, `| ${rules.join(' | ')} |`, ...rest].join('\n')
}
