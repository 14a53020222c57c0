import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { align } from '../../report/align.ts'
import { machineLine } from '../../report/machine.ts'
import { format } from '../../report/numbers.ts'
import type { Findings } from '../soak.ts'
import { panelsOf } from './panels.ts'
import { KIB, MIB, type Series, settlingOf, trendOf } from './trend.ts'

/** Everything that has to be fixed; empty if all is well. */
export function flawsOf({ heaps, sizes, left, afterCrowd, unread, afterNodes, tally }: Findings): string[] {
  const growing = [...heaps, ...sizes].filter((series) => trendOf(series).type === 'growing')
  return [
    ...growing.map(({ name }) => `the memory of ${name} grows`),
    ...left.map((what) => `after everybody had left, ${what}`),
    ...listed('stayed in the store after everybody had left', afterCrowd),
    ...listed('hold entries that nobody has read', unread),
    ...listed('stayed in the store after the nodes had closed', afterNodes),
    ...Array.from(tally.failures, ([why, count]) => `${count} times: ${why}`),
  ]
}

/** Writes the page, the chart and the figures to a folder. */
export function writeReport(findings: Findings, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const { heaps, sizes, keys, connections } = findings
  writeFileSync(join(folder, 'results.md'), pageOf(findings))
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ heaps, sizes, keys, connections })}\n`)
  const chart = panelsOf([
    { title: 'Heap after a full collection', unit: 'MiB', series: heaps },
    { title: 'Resident memory', unit: 'MiB', series: sizes },
    { title: 'In the store, and connections', unit: '', series: [keys, connections] },
  ])
  writeFileSync(join(folder, 'soak.svg'), chart)
}

export function memoryTable({ heaps, sizes }: Findings): string {
  const rows = [
    ...heaps.map((series) => rowOf(`heap of ${series.name}`, series)),
    ...sizes.map((series) => rowOf(`resident, ${series.name}`, series)),
  ]
  return align([['', 'first (MiB)', 'last (MiB)', 'KiB a minute', '±', 'may rise (MiB)', 'trend'], ...rows])
}

function rowOf(name: string, series: Series): string[] {
  const { samples, bound } = series
  const trend = trendOf(series)
  const ends = [samples[0], samples.at(-1)].map((sample) => format((sample?.value ?? Number.NaN) / MIB))
  const slope = trend.type === 'unknown' ? ['—', '—'] : [trend.slope.perMinute, trend.slope.noise].map(inKib)
  return [name, ...ends, ...slope, format(bound / MIB), trend.type === 'unknown' ? 'too short to tell' : trend.type]
}

function inKib(bytes: number): string {
  return format(bytes / KIB)
}

function pageOf(findings: Findings): string {
  const { options, tally, guestCount, residents, baseline, keys, documented, afterCrowd } = findings
  const { minutes, nodes, clients, guests } = options
  const flaws = flawsOf(findings)
  const most = Math.max(...keys.samples.map(({ value }) => value))
  const tooSlow = residents.reduce((sum, { tooSlowCount }) => sum + tooSlowCount, 0)
  return `# Soak

Written by \`npm run soak\`; [README.md](../README.md) says what it does.

${clients} clients came and went for ${format(minutes)} minutes on ${nodes} nodes that stayed and ${guests} that came and went
(${guestCount} times): ${format(tally.visits)} visits, ${format(tally.actions)} actions, ${format(tally.messages)} messages received,
${format(tooSlow)} connections closed with 4408 for being too slow.

![Memory and keys over time](soak.svg)

${memoryTable(findings)}

The slope is that of a line through the measurements after the first ${format(settlingOf(minutes))} minutes. The memory is
growing only if the 95 % interval of the slope lies above zero and the line rises by more than it may.

The store had ${format(baseline)} keys before the first client and ${format(most)} at most. After everybody had left it had ${afterCrowd.length === 0 ? 'the same as before' : `${afterCrowd.length} more`}; after the nodes had closed: ${documented.join(', ') || 'nothing'}.

${flaws.length === 0 ? 'Nothing grows, nothing stays, nothing failed.' : `**To fix**\n\n${flaws.map((flaw) => `- ${flaw}`).join('\n')}`}

${machineLine()}
`
}

const SHOWN = 10

function listed(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return []
  return [`${keys.length} keys ${what}: ${keys.slice(0, SHOWN).join(', ')}${keys.length > SHOWN ? ', …' : ''}`]
}
