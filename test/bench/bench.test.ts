import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from '../support/child.ts'
import { childrenOf } from '../support/children.ts'
import { until } from '../support/until.ts'

const command = [fileURLToPath(new URL('../../lab/run.mjs', import.meta.url)), 'bench/main.ts']
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

describe('npm run bench', () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const bench = (...args: string[]): Child =>
    new Child(process.execPath, [...command, ...args, '--quick', '--out', folder])

  it('measures a scenario and writes a table, the figures and a chart', async () => {
    const child = bench('W6', '--only', 'flotilla,ws')
    deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
    match(child.stdout, /^\| Flotilla +\| +[\d.]+ \|/m)
    match(child.stdout, /^\| bare ws, one node +\| +[\d.]+ \|/m)
    match(child.stdout, /cores.*Linux.*Node\.js/)
    for (const file of ['W6.json', 'W6.svg', 'results.md']) ok((await readdir(folder)).includes(file), file)
    match(await readFile(join(folder, 'results.md'), 'utf8'), /!\[Lone broadcast\]\(W6\.svg\)/)
    const { rows } = JSON.parse(await readFile(join(folder, 'W6.json'), 'utf8')) as {
      rows: { median: { p50: number } }[]
    }
    equal(rows.length, 2)
    for (const { median } of rows) ok(median.p50 > 0)
  })

  it('counts the calls to the store, and the commands in scripts, when many members leave', async () => {
    const child = bench('W12', '--only', 'flotilla')
    deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
    const [, calls, inScripts] = /^\| Flotilla, 1000 members +\| +([\d,.]+) \| +([\d,.]+) \|/m.exec(child.stdout) ?? []
    for (const count of [calls, inScripts]) ok(Number(count?.replaceAll(',', '')) > 0, child.stdout)
    match(await readFile(join(folder, 'results.md'), 'utf8'), /^## W12/m)
  })

  it('fails with a sentence if nothing arrives or if pushes are rejected', async () => {
    const builds = ['silent', 'refusing'].flatMap((name) => ['--beside', `${name}=${fixture(name)}`])
    const child = bench('W2', '--only', 'ws', '--rate', '1000', ...builds)
    equal((await child.exited).code, 1)
    match(child.stderr, /W2 failed for Flotilla, silent: .* none of \d+ messages arrived/)
    match(child.stderr, /W2 failed for Flotilla, refusing: .* \d+ REJECTED \(Error: refused to please\)/)
  })

  it('says which arguments it accepts if it is given others', async () => {
    const child = bench('W9')
    equal((await child.exited).code, 1)
    match(child.stderr, /there is no scenario 'W9': choose from W1/)
  })

  it('ends every process that it started when it is interrupted', async () => {
    const child = bench('W4', '--only', 'flotilla')
    const started = (): readonly number[] => childrenOf(child.pid)
    await until('the store and the node run', () => started().length >= 2)
    const pids = started()
    child.signal('SIGINT')
    notEqual((await child.exited).code, 0)
    await until('all have ended', () => pids.every((pid) => !existsSync(`/proc/${pid}`)))
  })
})
