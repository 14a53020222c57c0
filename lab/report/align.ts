/**
 * A table in Markdown that is also readable in a terminal. The first column is aligned to the left; the others usually
 * hold numbers, so they are aligned to the right unless `others` says otherwise.
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
