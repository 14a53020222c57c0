import type { Chart, Point } from './chart.ts'

export interface PlotPlan {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  /** The last moment, in the same unit of time as the points. */
  readonly end: number
  /** The value at the top of the plot. */
  readonly most: number
  readonly isLog?: boolean
}

const LABEL_GAP = 10

/** Values over time, in one part of a chart. */
export class Plot {
  readonly #chart: Chart
  readonly #plan: PlotPlan
  readonly #x: (at: number) => number

  constructor(chart: Chart, plan: PlotPlan) {
    this.#chart = chart
    this.#plan = plan
    this.#x = timeScale(plan.left, plan.width, plan.end)
  }

  /** The y coordinate of zero. */
  get foot(): number {
    return this.#plan.top + this.#plan.height
  }

  /** A horizontal line at this value, with a label beside it. */
  grid(value: number, label?: string): void {
    const { left, width } = this.#plan
    const y = this.#y(value)
    this.#chart.line('grid', [
      [left, y],
      [left + width, y],
    ])
    if (label !== undefined) this.#chart.text('axis', [left - LABEL_GAP, y + 4], label, 'end')
  }

  line(kind: string, values: readonly Point[]): void {
    this.#chart.line(`line ${kind}`, values.map(this.#place))
  }

  /** Fills the area between these values and zero. */
  area(kind: string, values: readonly Point[]): void {
    const places = values.map(this.#place)
    const [first, last] = [places[0], places.at(-1)]
    if (first === undefined || last === undefined) return
    this.#chart.area(kind, [[first[0], this.foot], ...places, [last[0], this.foot]])
  }

  /** A bar from zero up to a value, from one moment to another. */
  bar(kind: string, from: number, to: number, value: number): void {
    const [left, right] = [this.#x(from), this.#x(to)]
    const height = Math.max(MIN_LENGTH, this.foot - this.#y(value))
    this.#chart.rect(kind, [left, this.foot - height], Math.max(MIN_LENGTH, right - left), height)
  }

  #place = ([at, value]: Point): Point => [this.#x(at), this.#y(value)]

  #y(value: number): number {
    const { height, most, isLog = false } = this.#plan
    const share = isLog ? Math.log10(Math.max(1, value)) / Math.log10(most) : value / most
    return this.foot - height * share
  }
}

/** The least width of a bar. A narrower one would be invisible. */
export const MIN_LENGTH = 1.5

/** The x coordinate of a moment, on a plot of this width that begins at zero. */
export function timeScale(left: number, width: number, end: number): (at: number) => number {
  return (at) => left + (Math.min(at, end) / (end || 1)) * width
}
