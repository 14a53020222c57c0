/** Three significant digits, because a measurement is no more precise than that, with separators between thousands. */
export function format(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '—'
  const rounded = Number(value.toPrecision(3))
  return rounded.toLocaleString('en', { maximumFractionDigits: 3 })
}

/** Undefined if there are no values. */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}
