import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseOptions } from '../../lab/chaos/options.ts'
import { Child } from '../support/child.ts'
import { childrenOf } from '../support/children.ts'
import { until } from '../support/until.ts'

const command = [fileURLToPath(new URL('../../lab/run.mjs', import.meta.url)), 'chaos/main.ts']
const SMALL = [
  '--seed',
  '7',
  '--nodes',
  '3',
  '--clients',
  '40',
  '--rate',
  '80',
  '--store',
  'single',
  '--slack',
  '60000',
]

describe('npm run chaos', () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-chaos-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const chaos = (...args: string[]): Child =>
    new Child(process.execPath, [...command, ...SMALL, '--out', join(folder, 'last'), ...args])

  it('finds every promise kept while a node is killed, one is paused and lines are cut', async () => {
    const times = ['--heartbeat', '1000', '--dead-after', '6000']
    const child = chaos('--seconds', '40', '--fault', 'kill', '--fault', 'pause', '--fault', 'cut', ...times)
    deepEqual(await child.exited, { code: 0, signal: null }, child.stdout + child.stderr)
    const report = await readFile(join(folder, 'last', 'report.md'), 'utf8')
    for (const fault of ['kill', 'pause', 'cut']) match(report, new RegExp(`\\| \\d+ +\\| ${fault} +\\|`))
    deepEqual((await readdir(join(folder, 'last'))).toSorted(), [
      'broken.txt',
      'failed.txt',
      'n0.log',
      'n1.log',
      'n2.log',
      'report.md',
      'timeline.svg',
    ])
  })

  const findings = { drop: 'lost', swap: 'order', neighbour: 'misdelivered' }
  for (const [plant, finding] of Object.entries(findings)) {
    it(`finds a planted bug: ${plant}`, async () => {
      // On a busy machine a node may wait long for its turn. It must not count as dead, because that would be another finding.
      // The bug is in what the clients have received, so two nodes do.
      const calm = ['--nodes', '2', '--seconds', '5', '--fault', 'none', '--dead-after', '60000']
      const child = chaos(...calm, '--plant', plant)
      equal((await child.exited).code, 1, child.stderr)
      deepEqual(
        [...child.stdout.matchAll(/^ {2}(\w+) +BROKEN 1 times/gm)].map(([, promise]) => promise),
        [finding],
        child.stdout,
      )
      equal(child.stdout.match(/BROKEN /g)?.length, 2, `the head line, and nothing but that finding: ${child.stdout}`)
    })
  }

  it('says which arguments it accepts if it is given others', async () => {
    const cases = {
      '--fault=rain': /--fault is rain: choose from kill,/,
      '--store=paper': /--store is paper: choose from single, sentinel, cluster/,
      '--clocks=odd': /--clocks is odd: choose from right, apart/,
      '--nodes=1': /--nodes is 1: give a whole number, from 2 to 8/,
      '--runs=5': /--runs is 5: give two seeds such as 1..20/,
      '--dead-after=10': /--dead-after is 10: give a whole number, 3000 or more/,
    }
    for (const [arg, complaint] of Object.entries(cases)) throws(() => parseOptions([arg]), complaint)
    const child = new Child(process.execPath, [...command, '--fault=rain'])
    equal((await child.exited).code, 2)
    match(child.stderr, cases['--fault=rain'])
  })

  it('ends every process that it started when it is interrupted', async () => {
    const child = chaos('--seconds', '30')
    const started = (): readonly number[] => childrenOf(child.pid)
    await until('the store and the nodes run', () => started().length >= 4)
    const pids = started()
    child.signal('SIGINT')
    equal((await child.exited).code, 130)
    await until('all have ended', () => pids.every((pid) => !existsSync(`/proc/${pid}`)))
  })
})
