/** A table in Markdown that a terminal shows well, too: the first column to the left, numbers to the right. */
export function align(lines: readonly (readonly string[])[]): string {
  const [heads = []] = lines
  const widths = heads.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const [head, ...rest] = lines.map((line) => `| ${line.map(pad).join(' | ')} |`)
  const rules = widths.map((width, column) =>
    column === 0 ? `:${'-'.repeat(width - 1)}` : `${'-'.repeat(width - 1)}:`,
  )
  return [head, `| ${rules.join(' | ')} |`, ...rest].join('\n')
}
