/** To a precision that the measurement has: 3 digits, and thousands set apart. */
export function format(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '—'
  const rounded = Number(value.toPrecision(3))
  return rounded.toLocaleString('en', { maximumFractionDigits: 3 })
}

/** Undefined if there is no value. */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}
