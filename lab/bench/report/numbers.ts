/** To a precision that the measurement has: 3 digits, and thousands set apart. */
export function format(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '—'
  const rounded = Number(value.toPrecision(3))
  return rounded.toLocaleString('en', { maximumFractionDigits: 3 })
}
