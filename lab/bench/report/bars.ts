import { Chart } from '../../report/chart.ts'
import { format } from '../../report/numbers.ts'
import type { Scenario } from '../scenarios/scenario.ts'
import type { Role } from '../systems/system.ts'
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

const LOOK = {
  light: `
  text { font-size: 13px }
  text.ours { font-weight: 600; fill: #1f2328 }
  .ours { fill: #0969da }
  .peer { fill: #8c959f }
  .control { fill: #c4ccd4 }
  text.peer, text.control { fill: #57606a }`,
  dark: `
    text.peer, text.control { fill: #9198a1 }
    text.ours { fill: #f0f6fc }
    .ours { fill: #4493f8 }
    .peer { fill: #7a828e }
    .control { fill: #424a53 }`,
}

interface Bar {
  /** The system's name, on its first bar. */
  readonly name: string | undefined
  /** Tells the bars of one system apart, if it has several. */
  readonly part: string | undefined
  readonly value: number
  readonly role: Role
}

/** A scenario's chart as an SVG document, with one bar or several for each system. */
export function barsOf({ scenario, rows }: Outcome): string {
  const { id, title, chart: plan } = scenario
  const bars = rows.filter(({ failure }) => failure === undefined).flatMap((row) => barsOfRow(row, plan))
  const longest = Math.max(...bars.map(({ value }) => value))
  const chart = new Chart(WIDTH, `${id} ${title}`, LOOK)
  chart.text('title', [MARGIN, 27], `${id} ${title}`)
  const direction = plan.better === 'more' ? 'longer is better' : 'shorter is better'
  chart.text('about', [MARGIN, 46], `${plan.title}, ${plan.unit}: ${direction}`)
  let y = HEAD
  for (const [index, bar] of bars.entries()) {
    if (index > 0 && bar.part !== undefined && bar.name !== undefined) y += GROUP_GAP
    draw(chart, bar, y, longest)
    y += BAR + GAP
  }
  return chart.document(y - GAP + FOOT)
}

function barsOfRow({ label, role, median }: Row, { bars }: Scenario['chart']): Bar[] {
  const known = bars.flatMap(({ key, label: part }) => {
    const value = median[key]
    return value === undefined ? [] : [{ part, value }]
  })
  return known.map(({ part, value }, index) => ({ name: index === 0 ? label : undefined, part, value, role }))
}

function draw(chart: Chart, { name, part, value, role }: Bar, y: number, longest: number): void {
  const base = y + BAR / 2 + 4.5
  if (part !== undefined) chart.text(role, [LABELS - 12, base], part, 'end')
  if (name !== undefined && part !== undefined) chart.text(role, [MARGIN, base], name)
  if (name !== undefined && part === undefined) chart.text(role, [LABELS - 12, base], name, 'end')
  chart.rect('track', [LABELS, y], ROOM, BAR, { radius: RADIUS })
  chart.rect(role, [LABELS, y], Math.max(2, (value / longest) * ROOM), BAR, { radius: RADIUS })
  chart.text(role, [LABELS + ROOM + 12, base], format(value))
}
