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

/** Follows the reader's choice of light or dark, also where a page shows it as an image. */
const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .name { font-weight: 600; fill: #1f2328 }
  .number { font-weight: 600; fill: #ffffff; font-size: 11px }
  .axis { font-variant-numeric: tabular-nums }
  .paper { fill: #ffffff }
  .track { fill: #f3f5f7 }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .fault { fill: #bc4c00 }
  .shade { fill: #bc4c00; opacity: .07 }
  .down { fill: #8c959f }
  .mark { stroke: #1f2328; stroke-width: 1.5 }
  .line { fill: none; stroke: #0969da; stroke-width: 1.5 }
  .area { fill: #0969da; opacity: .18 }
  .failed { fill: #cf222e }
  .broken { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title, .name { fill: #f0f6fc }
    .paper { fill: #0d1117 }
    .track { fill: #171c23 }
    .grid { stroke: #2a313a }
    .fault { fill: #db6d28 }
    .shade { fill: #db6d28; opacity: .12 }
    .down { fill: #59636e }
    .mark { stroke: #f0f6fc }
    .line { stroke: #4493f8 }
    .area { fill: #4493f8 }
    .failed, .broken { fill: #f85149 }
  }`

/** What happened when, as an SVG document: faults above, what became of pushes below. */
export function timelineOf(result: Result): string {
  return new Timeline(result).draw()
}

class Timeline {
  readonly #result: Result
  readonly #end: number
  readonly #lines: string[] = []
  #y = HEAD

  constructor(result: Result) {
    this.#result = result
    this.#end = Math.max(1_000, result.history.until)
  }

  draw(): string {
    const { settings, verdict } = this.#result
    this.#drawLegend()
    this.#drawLanes()
    const lanesEnd = this.#y
    const series = seriesOf(this.#result.history, this.#end)
    this.#drawPanel('pushes a second', series.pushes, { failed: series.failed })
    this.#drawPanel('received a second', series.received, {})
    this.#drawPanel('p99, ms', series.p99, { isLog: true })
    this.#drawAxis()
    const height = this.#y + FOOT
    const title = `Chaos, seed ${settings.seed}: ${verdict.isKept ? 'every promise was kept' : 'PROMISES WERE BROKEN'}`
    const about = `${settings.nodes} nodes, store ${settings.store}, ${settings.clients} clients, ${settings.rate} pushes/s; grey: not running; red: failed`
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
      `<title>${title}</title>`,
      `<style>${STYLE}\n</style>`,
      `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
      `<text class="title" x="16" y="25">${title}</text>`,
      `<text x="16" y="44">${about}</text>`,
      ...this.#shades(lanesEnd),
      ...this.#lines,
      '</svg>\n',
    ].join('\n')
  }

  /** Which number is which fault. */
  #drawLegend(): void {
    const names = this.#result.history.faults.map(({ name }, index) => `${index + 1} ${name}`)
    const perLine = Math.floor((WIDTH - 32) / LEGEND_WIDTH)
    for (const [index, name] of names.entries()) {
      const line = Math.floor(index / perLine)
      this.#text('name', 16 + (index % perLine) * LEGEND_WIDTH, HEAD + line * LEGEND_LINE, name, 'start')
    }
    this.#y = HEAD + Math.ceil(names.length / perLine) * LEGEND_LINE
  }

  /** One lane for the store, one for each node, one for the emitter: the line between it and the store. */
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
      this.#text('name', LEFT - 10, this.#y + 13, name, 'end')
      this.#rect('track', LEFT, ROOM, this.#y, LANE - 4)
      for (const [from, to] of downtimes(history.nodes, index - 1, this.#end)) this.#span('down', from, to, LANE - 4)
      for (const [number, fault] of history.faults.entries()) if (of(fault)) this.#drawFault(number + 1, fault)
      this.#y += LANE
    }
    this.#drawBroken()
    this.#y += GAP
  }

  #drawFault(number: number, { from, to }: FaultWindow): void {
    const top = this.#y + 4
    this.#lines.push(
      `<rect class="fault" x="${this.#x(from)}" y="${top}" width="${this.#wide(from, to)}" height="${LANE - 12}" rx="2"/>`,
      `<rect class="fault" x="${this.#x(from)}" y="${this.#y}" width="15" height="${LANE - 4}" rx="3"/>`,
      `<text class="number" x="${(Number(this.#x(from)) + 7.5).toFixed(1)}" y="${this.#y + 11}" text-anchor="middle">${number}</text>`,
    )
  }

  /** Where a promise was broken. */
  #drawBroken(): void {
    const { findings } = this.#result.verdict
    if (findings.every(({ violations }) => violations.length === 0)) return
    this.#text('name', LEFT - 10, this.#y + 13, 'broken', 'end')
    this.#rect('track', LEFT, ROOM, this.#y, LANE - 4)
    const places = new Set<string>()
    for (const { violations } of findings) for (const { at } of violations) places.add(this.#x(at))
    for (const x of places)
      this.#lines.push(`<rect class="broken" x="${x}" y="${this.#y}" width="2" height="${LANE - 4}"/>`)
    this.#y += LANE
  }

  #drawPanel(
    name: string,
    { step, values }: Series,
    { failed, isLog = false }: { failed?: Series; isLog?: boolean },
  ): void {
    const most = niceMost(Math.max(1, ...values, ...(failed?.values ?? [])), isLog)
    const height = (value: number): number =>
      PANEL * (isLog ? Math.log10(Math.max(1, value)) / Math.log10(most) : value / most)
    const base = this.#y + PANEL
    const ticks = isLog ? powers(most) : [most / 2, most]
    for (const value of [0, ...ticks]) {
      const y = (base - height(value)).toFixed(1)
      this.#lines.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`)
      if (value > 0) this.#text('axis', LEFT - 10, Number(y) + 4, short(value), 'end')
    }
    const points = values.map((value, index) => `${this.#x((index + 0.5) * step)},${(base - height(value)).toFixed(1)}`)
    const area = `${this.#x(step / 2)},${base} ${points.join(' ')} ${this.#x((values.length - 0.5) * step)},${base}`
    this.#lines.push(
      `<polygon class="area" points="${area}"/>`,
      `<polyline class="line" points="${points.join(' ')}"/>`,
    )
    for (const [index, value] of (failed?.values ?? []).entries()) {
      if (value === 0) continue
      const top = Math.max(1.5, height(value))
      this.#lines.push(
        `<rect class="failed" x="${this.#x(index * step)}" y="${(base - top).toFixed(1)}" width="${this.#wide(0, step)}" height="${top.toFixed(1)}"/>`,
      )
    }
    this.#text('name', LEFT, this.#y - 7, name, 'start')
    this.#y = base + GAP
  }

  #drawAxis(): void {
    const step = this.#end > 150_000 ? 30_000 : this.#end > 60_000 ? 10_000 : 5_000
    for (let at = 0; at <= this.#end; at += step)
      this.#text('axis', Number(this.#x(at)), this.#y, `${at / 1_000} s`, 'middle')
  }

  /** Faults, through all panels. */
  #shades(top: number): string[] {
    const height = this.#y - GAP - top + 8
    return this.#result.history.faults.map(
      ({ from, to }) =>
        `<rect class="shade" x="${this.#x(from)}" y="${top - 8}" width="${this.#wide(from, to)}" height="${height}"/>`,
    )
  }

  #span(kind: string, from: number, to: number, height: number): void {
    this.#lines.push(
      `<rect class="${kind}" x="${this.#x(from)}" y="${this.#y}" width="${this.#wide(from, to)}" height="${height}"/>`,
    )
  }

  #rect(kind: string, x: number, width: number, y: number, height: number): void {
    this.#lines.push(`<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`)
  }

  #text(kind: string, x: number, y: number, text: string, anchor: string): void {
    this.#lines.push(`<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`)
  }

  #x(at: number): string {
    return (LEFT + (Math.min(at, this.#end) / this.#end) * ROOM).toFixed(1)
  }

  #wide(from: number, to: number): string {
    return Math.max(1.5, ((Math.min(to, this.#end) - from) / this.#end) * ROOM).toFixed(1)
  }
}

/** When the process in a place did not run, or stood still. */
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
