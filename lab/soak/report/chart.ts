import { format } from '../../bench/report/numbers.ts'
import { MIB, type Series } from './trend.ts'

const WIDTH = 760
const PANEL = 150
const MARGIN = 16
const LEFT = 70
const RIGHT = 130
const HEAD = 34
const GAP = 44
const ROOM = WIDTH - LEFT - RIGHT

/** Follows the reader's choice of light or dark, also where a page shows it as an image. */
const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a; font-variant-numeric: tabular-nums }
  .title { font-size: 14px; font-weight: 600; fill: #1f2328 }
  .paper { fill: #ffffff }
  .axis { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 1.5 }
  .c0 { stroke: #0969da } text.c0 { fill: #0969da; stroke: none }
  .c1 { stroke: #bc4c00 } text.c1 { fill: #bc4c00; stroke: none }
  .c2 { stroke: #1a7f37 } text.c2 { fill: #1a7f37; stroke: none }
  .c3 { stroke: #8250df } text.c3 { fill: #8250df; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .paper { fill: #0d1117 }
    .axis { stroke: #3d444d }
  }`

export interface Panel {
  readonly title: string
  readonly unit: 'MiB' | ''
  readonly series: readonly Series[]
}

/** Lines over time as an SVG document, one panel below the other. */
export function chartOf(panels: readonly Panel[]): string {
  const height = panels.length * (PANEL + HEAD + GAP) + MARGIN
  const end = Math.max(...panels.flatMap(({ series }) => series.map(({ samples }) => samples.at(-1)?.minutes ?? 0)))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    '<title>Memory of the nodes, and keys in the store, over time</title>',
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
    ...panels.map((panel, index) => panelOf(panel, index * (PANEL + HEAD + GAP), end)),
    '</svg>\n',
  ].join('\n')
}

function panelOf({ title, unit, series }: Panel, top: number, end: number): string {
  const scale = unit === 'MiB' ? MIB : 1
  const most = Math.max(...series.flatMap(({ samples }) => samples.map(({ value }) => value / scale)), 1)
  const foot = top + HEAD + PANEL
  const x = (minutes: number): number => LEFT + (minutes / (end || 1)) * ROOM
  const y = (value: number): number => foot - (value / scale / (most * 1.1)) * PANEL
  const shown = `${format(most)}${unit === '' ? '' : ` ${unit}`}`
  return [
    `<text class="title" x="${MARGIN}" y="${top + 24}">${title}</text>`,
    `<line class="axis" x1="${LEFT}" y1="${foot}" x2="${LEFT + ROOM}" y2="${foot}"/>`,
    `<line class="axis" x1="${LEFT}" y1="${y(most * scale).toFixed(1)}" x2="${LEFT + ROOM}" y2="${y(most * scale).toFixed(1)}" stroke-dasharray="2 4"/>`,
    `<text x="${LEFT - 8}" y="${foot + 4}" text-anchor="end">0</text>`,
    `<text x="${LEFT - 8}" y="${(y(most * scale) + 4).toFixed(1)}" text-anchor="end">${shown}</text>`,
    `<text x="${LEFT}" y="${foot + 18}">0</text>`,
    `<text x="${LEFT + ROOM}" y="${foot + 18}" text-anchor="end">${format(end)} min</text>`,
    ...series.map(({ samples }, index) => {
      const points = samples.map(({ minutes, value }) => `${x(minutes).toFixed(1)},${y(value).toFixed(1)}`)
      return `<polyline class="line c${index % 4}" points="${points.join(' ')}"/>`
    }),
    ...series.map(
      ({ name }, index) =>
        `<text class="c${index % 4}" x="${LEFT + ROOM + 10}" y="${top + HEAD + 20 + index * 18}">${name}</text>`,
    ),
  ].join('\n')
}
