import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { slopeOf } from '../../lab/soak/report/slope.ts'
import { type Series, trendOf } from '../../lab/soak/report/trend.ts'
import { Child } from '../support/child.ts'

const command = [fileURLToPath(new URL('../../lab/run.mjs', import.meta.url)), 'soak/main.ts']

describe('npm run soak', () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-soak-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('lets clients come and go, finds nothing left behind, and writes a page, a chart and the figures', async () => {
    const flags = ['--minutes', '0.15', '--clients', '20', '--every', '2', '--out', folder]
    const child = new Child(process.execPath, [...command, ...flags])
    deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
    match(child.stdout, /^\| heap of node1 .* too short to tell \|$/m)
    deepEqual((await readdir(folder)).toSorted(), ['results.json', 'results.md', 'soak.svg'])
    match(await readFile(join(folder, 'results.md'), 'utf8'), /Nothing grows, nothing stays, nothing failed/)
  })

  it('says which arguments it accepts if it is given others', async () => {
    const child = new Child(process.execPath, [...command, '--minutes=0'])
    equal((await child.exited).code, 1)
    match(child.stderr, /--minutes is 0: give a number above 0/)
  })
})

describe('a trend', () => {
  it('is growing if the slope exceeds its noise and the bound, and flat otherwise', () => {
    equal(trendOf(seriesOf((minutes) => 1_000 + 30 * minutes)).type, 'growing')
    equal(trendOf(seriesOf((minutes) => 1_000 + 30 * minutes + wave(minutes))).type, 'growing')
    equal(trendOf(seriesOf((minutes) => 1_000 + 5 * minutes)).type, 'flat', 'below its bound')
    equal(trendOf(seriesOf(() => 1_000)).type, 'flat')
    equal(trendOf(seriesOf((minutes) => 1_000 + 12 * minutes + 100 * wave(minutes))).type, 'flat', 'within its noise')
    equal(trendOf(seriesOf((minutes) => 1_000 - 30 * minutes)).type, 'flat')
  })

  it('ignores growth that happens only at first', () => {
    equal(trendOf(seriesOf((minutes) => Math.min(minutes, 3) * 1_000)).type, 'flat')
  })

  it('is unknown if there was too little time', () => {
    equal(trendOf(seriesOf((minutes) => 1_000 * minutes, 4)).type, 'unknown')
  })

  it('has the slope of the line', () => {
    const { perMinute, noise } = slopeOf([0, 1, 2, 3], [5, 8, 11, 14])
    equal(perMinute, 3)
    equal(noise, 0)
  })
})

function seriesOf(valueOf: (minutes: number) => number, end = 10): Series {
  const minutes = Array.from({ length: end * 12 }, (_, index) => index / 12)
  return { name: 'a node', bound: 70, samples: minutes.map((at) => ({ minutes: at, value: valueOf(at) })) }
}

function wave(minutes: number): number {
  return Math.sin(minutes * 7)
}
