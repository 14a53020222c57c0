/** The slope of a straight line through points, by least squares. */
export interface Slope {
  readonly perMinute: number
  /** Half of the 95 % confidence interval. */
  readonly noise: number
}

/** The quantile of the normal distribution, which is close enough because there are dozens of points. */
const Z = 1.96

/** @param minutes when each value was taken */
export function slopeOf(minutes: readonly number[], values: readonly number[]): Slope {
  const count = values.length
  const [meanX, meanY] = [mean(minutes), mean(values)]
  const spread = sum(minutes.map((x) => (x - meanX) ** 2))
  const perMinute = sum(minutes.map((x, index) => (x - meanX) * (values[index]! - meanY))) / spread
  const rests = values.map((y, index) => y - meanY - perMinute * (minutes[index]! - meanX))
  const squares = sum(rests.map((rest) => rest ** 2))
  const error = Math.sqrt(squares / (count - 2) / spread)
  return { perMinute, noise: Z * error * inflation(rests, squares) }
}

/**
 * The factor by which correlated neighbours widen the interval: a value that was high a moment ago is likely to be high
 * still, so the points say less than independent ones would.
 */
function inflation(rests: readonly number[], squares: number): number {
  if (squares === 0) return 1
  const neighbours = sum(rests.slice(1).map((rest, index) => rest * rests[index]!))
  const correlation = Math.min(0.95, Math.max(0, neighbours / squares))
  return Math.sqrt((1 + correlation) / (1 - correlation))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length
}
