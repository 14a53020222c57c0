import { Chart, type Point } from '../../report/chart.ts'
import { MIN_LENGTH, Plot, timeScale } from '../../report/plot.ts'
import type { FaultWindow, NodeEvent } from '../history.ts'
import type { Result } from '../run.ts'
import { type Series, seriesOf } from './series.ts'

const WIDTH = 1_000
const LEFT = 92
const RIGHT = 16
const ROOM = WIDTH - LEFT - RIGHT
const HEAD = 62
const LEGEND_LINE = 17
const LEGEND_WIDTH = 150
const LANE = 18
const GAP = 26
const PANEL = 84
const FOOT = 34

const LOOK = {
  light: `
  .name { font-weight: 600; fill: #1f2328 }
  .number { font-weight: 600; fill: #ffffff; font-size: 11px }
  .fault { fill: #bc4c00 }
  .shade { fill: #bc4c00; opacity: .07 }
  .down { fill: #8c959f }
  .value { stroke: #0969da }
  .area { fill: #0969da; opacity: .18 }
  .failed, .broken { fill: #cf222e }`,
  dark: `
    .name { fill: #f0f6fc }
    .fault { fill: #db6d28 }
    .shade { fill: #db6d28; opacity: .12 }
    .down { fill: #59636e }
    .value { stroke: #4493f8 }
    .area { fill: #4493f8 }
    .failed, .broken { fill: #f85149 }`,
}

/** A run over time, as an SVG document: faults at the top, pushes and receipts below. */
export function timelineOf(result: Result): string {
  return new Timeline(result).draw()
}

class Timeline {
  readonly #result: Result
  readonly #end: number
  readonly #chart: Chart
  readonly #x: (at: number) => number
  #y = HEAD

  constructor(result: Result) {
    const { seed } = result.settings
    const title = `Chaos, seed ${seed}: ${result.verdict.isKept ? 'every promise was kept' : 'PROMISES WERE BROKEN'}`
    this.#result = result
    this.#end = Math.max(1_000, result.history.until)
    this.#chart = new Chart(WIDTH, title, LOOK)
    this.#x = timeScale(LEFT, ROOM, this.#end)
    this.#chart.text('title', [16, 25], title)
  }

  draw(): string {
    const { nodes, store, clients, rate } = this.#result.settings
    const about = `${nodes} nodes, store ${store}, ${clients} clients, ${rate} pushes/s; grey: not running; red: failed`
    this.#chart.text('about', [16, 44], about)
    this.#drawLegend()
    this.#drawLanes()
    const lanesEnd = this.#y
    const series = seriesOf(this.#result.history, this.#end)
    this.#drawPanel('pushes a second', series.pushes, { failed: series.failed })
    this.#drawPanel('received a second', series.received, {})
    this.#drawPanel('p99, ms', series.p99, { isLog: true })
    this.#drawAxis()
    this.#drawShades(lanesEnd)
    return this.#chart.document(this.#y + FOOT)
  }

  /** Lists the faults by the numbers that the lanes show. */
  #drawLegend(): void {
    const names = this.#result.history.faults.map(({ name }, index) => `${index + 1} ${name}`)
    const perLine = Math.floor((WIDTH - 32) / LEGEND_WIDTH)
    for (const [index, name] of names.entries()) {
      const line = Math.floor(index / perLine)
      this.#chart.text('name', [16 + (index % perLine) * LEGEND_WIDTH, HEAD + line * LEGEND_LINE], name)
    }
    this.#y = HEAD + Math.ceil(names.length / perLine) * LEGEND_LINE
  }

  /** Draws a lane for the store, one for each node, and one for the line between the emitter and the store. */
  #drawLanes(): void {
    const { settings, history } = this.#result
    const lanes = [
      { name: 'store', of: ({ slots }: FaultWindow) => slots.length === 0 },
      ...Array.from({ length: settings.nodes + 1 }, (_, slot) => ({
        name: slot === settings.nodes ? 'emitter' : `n${slot}`,
        of: ({ slots }: FaultWindow) => slots.includes(slot),
      })),
    ]
    for (const [index, { name, of }] of lanes.entries()) {
      this.#drawLane(name)
      for (const [from, to] of downtimes(history.nodes, index - 1, this.#end))
        this.#chart.rect('down', [this.#x(from), this.#y], this.#wide(from, to), LANE - 4)
      for (const [number, fault] of history.faults.entries()) if (of(fault)) this.#drawFault(number + 1, fault)
      this.#y += LANE
    }
    this.#drawBroken()
    this.#y += GAP
  }

  #drawLane(name: string): void {
    this.#chart.text('name', [LEFT - 10, this.#y + 13], name, 'end')
    this.#chart.rect('track', [LEFT, this.#y], ROOM, LANE - 4)
  }

  #drawFault(number: number, { from, to }: FaultWindow): void {
    const x = this.#x(from)
    this.#chart.rect('fault', [x, this.#y + 4], this.#wide(from, to), LANE - 12, { radius: 2 })
    this.#chart.rect('fault', [x, this.#y], 15, LANE - 4, { radius: 3 })
    this.#chart.text('number', [x + 7.5, this.#y + 11], String(number), 'middle')
  }

  /** Marks when a promise was broken. */
  #drawBroken(): void {
    const { findings } = this.#result.verdict
    if (findings.every(({ violations }) => violations.length === 0)) return
    this.#drawLane('broken')
    const places = new Set(findings.flatMap(({ violations }) => violations.map(({ at }) => Math.round(this.#x(at)))))
    for (const x of places) this.#chart.rect('broken', [x, this.#y], 2, LANE - 4)
    this.#y += LANE
  }

  #drawPanel(
    name: string,
    { step, values }: Series,
    { failed, isLog = false }: { failed?: Series; isLog?: boolean },
  ): void {
    const most = niceMost(Math.max(1, ...values, ...(failed?.values ?? [])), isLog)
    const box = { left: LEFT, top: this.#y, width: ROOM, height: PANEL }
    const plot = new Plot(this.#chart, { ...box, end: this.#end, most, isLog })
    plot.grid(0)
    for (const value of isLog ? powers(most) : [most / 2, most]) plot.grid(value, short(value))
    const points = values.map((value, index): Point => [(index + 0.5) * step, value])
    plot.area('area', points)
    plot.line('value', points)
    for (const [index, value] of (failed?.values ?? []).entries())
      if (value > 0) plot.bar('failed', index * step, (index + 1) * step, value)
    this.#chart.text('name', [LEFT, this.#y - 7], name)
    this.#y = plot.foot + GAP
  }

  #drawAxis(): void {
    const step = this.#end > 150_000 ? 30_000 : this.#end > 60_000 ? 10_000 : 5_000
    for (let at = 0; at <= this.#end; at += step)
      this.#chart.text('axis', [this.#x(at), this.#y], `${at / 1_000} s`, 'middle')
  }

  /** Shades the time of each fault in all panels. */
  #drawShades(top: number): void {
    const height = this.#y - GAP - top + 8
    for (const { from, to } of this.#result.history.faults)
      this.#chart.rect('shade', [this.#x(from), top - 8], this.#wide(from, to), height, { isBehind: true })
  }

  #wide(from: number, to: number): number {
    return Math.max(MIN_LENGTH, this.#x(to) - this.#x(from))
  }
}

/** When the process of a slot was paused or not running. */
function downtimes(events: readonly NodeEvent[], slot: number, end: number): [number, number][] {
  const spans: [number, number][] = []
  let since: number | undefined
  for (const { type, at, slot: where } of events) {
    if (where !== slot) continue
    if (['killed', 'died', 'stopped', 'paused'].includes(type)) since ??= at
    if ((type === 'ready' || type === 'resumed') && since !== undefined) {
      spans.push([since, at])
      since = undefined
    }
  }
  return since === undefined ? spans : [...spans, [since, end]]
}

function niceMost(value: number, isLog: boolean): number {
  const power = 10 ** Math.ceil(Math.log10(value))
  if (isLog) return Math.max(10, power)
  return [0.2, 0.4, 0.6, 0.8, 1].map((part) => part * power).find((most) => most >= value) ?? power
}

function powers(most: number): number[] {
  const values: number[] = []
  for (let value = 10; value <= most; value *= 10) values.push(value)
  return values
}

function short(value: number): string {
  return value >= 1_000 ? `${value / 1_000} k` : String(value)
}
