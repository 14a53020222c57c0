import type { Chart } from '../scenarios/scenario.ts'
import type { Role } from '../systems/system.ts'
import { format } from './numbers.ts'
import type { Outcome, Row } from './outcome.ts'

const WIDTH = 760
const MARGIN = 16
const LABELS = 260
const VALUES = 110
const ROOM = WIDTH - LABELS - VALUES
const BAR = 18
const GAP = 8
const GROUP_GAP = 10
const HEAD = 62
const FOOT = 16
const RADIUS = 3

/** Follows the reader's choice of light or dark, also where a page shows it as an image. */
const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  text.ours { font-weight: 600; fill: #1f2328 }
  .value { font-variant-numeric: tabular-nums }
  .paper { fill: #ffffff }
  .track { fill: #f3f5f7 }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  .control { fill: #c4ccd4 }
  text.peer, text.control { fill: #57606a }
  @media (prefers-color-scheme: dark) {
    text, text.peer, text.control { fill: #9198a1 }
    .title, text.ours { fill: #f0f6fc }
    .paper { fill: #0d1117 }
    .track { fill: #171c23 }
    .ours { fill: #4493f8 }
    .peer { fill: #7a828e }
    .control { fill: #424a53 }
  }`

interface Bar {
  /** The system's, on its first bar. */
  readonly name: string | undefined
  /** What tells a system's bars apart, where it has several. */
  readonly part: string | undefined
  readonly value: number
  readonly role: Role
}

/** A scenario's chart as an SVG document: a bar for each system, or several. */
export function chartOf({ scenario, rows }: Outcome): string {
  const { id, title, chart } = scenario
  const bars = rows.filter(({ failure }) => failure === undefined).flatMap((row) => barsOf(row, chart))
  const longest = Math.max(...bars.map(({ value }) => value))
  const lines: string[] = []
  let y = HEAD
  for (const [index, bar] of bars.entries()) {
    if (index > 0 && bar.part !== undefined && bar.name !== undefined) y += GROUP_GAP
    lines.push(lineOf(bar, y, longest))
    y += BAR + GAP
  }
  const height = y - GAP + FOOT
  const direction = chart.better === 'more' ? 'longer is better' : 'shorter is better'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escape(`${id} ${title}`)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
    `<text class="title" x="${MARGIN}" y="27">${escape(`${id} ${title}`)}</text>`,
    `<text x="${MARGIN}" y="46">${escape(`${chart.title}, ${chart.unit}: ${direction}`)}</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n')
}

function barsOf({ label, role, median }: Row, { bars }: Chart): Bar[] {
  const known = bars.flatMap(({ key, label: part }) => {
    const value = median[key]
    return value === undefined ? [] : [{ part, value }]
  })
  return known.map(({ part, value }, index) => ({ name: index === 0 ? label : undefined, part, value, role }))
}

function lineOf({ name, part, value, role }: Bar, y: number, longest: number): string {
  const width = Math.max(2, (value / longest) * ROOM).toFixed(1)
  const base = y + BAR / 2 + 4.5
  const label = (text: string | undefined, x: number, anchor: 'start' | 'end'): string[] =>
    text === undefined
      ? []
      : [`<text class="${role}" x="${x}" y="${base}" text-anchor="${anchor}">${escape(text)}</text>`]
  const names =
    part === undefined
      ? label(name, LABELS - 12, 'end')
      : [...label(name, MARGIN, 'start'), ...label(part, LABELS - 12, 'end')]
  return [
    ...names,
    `<rect class="track" x="${LABELS}" y="${y}" width="${ROOM}" height="${BAR}" rx="${RADIUS}"/>`,
    `<rect class="${role}" x="${LABELS}" y="${y}" width="${width}" height="${BAR}" rx="${RADIUS}"/>`,
    `<text class="value ${role}" x="${LABELS + ROOM + 12}" y="${base}">${format(value)}</text>`,
  ].join('\n')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
