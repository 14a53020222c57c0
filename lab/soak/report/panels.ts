import { Chart, type Point } from '../../report/chart.ts'
import { format } from '../../report/numbers.ts'
import { Plot } from '../../report/plot.ts'
import { MIB, type Series } from './trend.ts'

const WIDTH = 760
const PANEL = 150
const MARGIN = 16
const LEFT = 70
const RIGHT = 130
const HEAD = 34
const GAP = 44
const ROOM = WIDTH - LEFT - RIGHT
const COLOURS = 4
/** Keeps the highest line away from the title. */
const HEADROOM = 1.1

const LOOK = {
  light: `
  .c0 { stroke: #0969da } text.c0 { fill: #0969da; stroke: none }
  .c1 { stroke: #bc4c00 } text.c1 { fill: #bc4c00; stroke: none }
  .c2 { stroke: #1a7f37 } text.c2 { fill: #1a7f37; stroke: none }
  .c3 { stroke: #8250df } text.c3 { fill: #8250df; stroke: none }`,
  dark: '',
}

export interface Panel {
  readonly title: string
  readonly unit: 'MiB' | ''
  readonly series: readonly Series[]
}

/** Lines over time as an SVG document, one panel below another. */
export function panelsOf(panels: readonly Panel[]): string {
  const end = Math.max(...panels.flatMap(({ series }) => series.map(({ samples }) => samples.at(-1)?.minutes ?? 0)))
  const chart = new Chart(WIDTH, 'Memory of the nodes, and keys in the store, over time', LOOK)
  for (const [index, panel] of panels.entries()) draw(chart, panel, index * (PANEL + HEAD + GAP), end)
  return chart.document(panels.length * (PANEL + HEAD + GAP) + MARGIN)
}

function draw(chart: Chart, { title, unit, series }: Panel, top: number, end: number): void {
  const scale = unit === 'MiB' ? MIB : 1
  const most = Math.max(...series.flatMap(({ samples }) => samples.map(({ value }) => value / scale)), 1)
  const box = { left: LEFT, top: top + HEAD, width: ROOM, height: PANEL }
  const plot = new Plot(chart, { ...box, end, most: most * HEADROOM })
  chart.text('title', [MARGIN, top + 24], title)
  plot.grid(0, '0')
  plot.grid(most, `${format(most)}${unit === '' ? '' : ` ${unit}`}`)
  chart.text('axis', [LEFT, plot.foot + 18], '0')
  chart.text('axis', [LEFT + ROOM, plot.foot + 18], `${format(end)} min`, 'end')
  for (const [index, { name, samples }] of series.entries()) {
    const colour = `c${index % COLOURS}`
    const values = samples.map(({ minutes, value }): Point => [minutes, value / scale])
    plot.line(colour, values)
    chart.text(colour, [LEFT + ROOM + 10, top + HEAD + 20 + index * 18], name)
  }
}
