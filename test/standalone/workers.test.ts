import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { typescript } from '../support/typescript.ts'
import { flotilla, startFlotilla, temporaryFolder } from './flotilla.ts'

const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href
const cli = fileURLToPath(source('standalone/cli.ts'))

/** A program that forks `count` workers of a file. It passes on their output, and prints how each ended. */
const primary = `
import cluster from 'node:cluster'
const [exec, count, ...args] = process.argv.slice(2)
cluster.setupPrimary({ exec, args, execArgv: ${JSON.stringify(typescript)} })
for (let n = 0; n < Number(count); n++) cluster.fork()
cluster.on('exit', (_, code) => console.log('exit ' + code))
`

async function startWorkers(t: TestContext, exec: string, count: number, ...args: string[]): Promise<Child> {
  const file = join(await temporaryFolder(t), 'primary.mjs')
  await writeFile(file, primary)
  const child = new Child(process.execPath, [file, exec, String(count), ...args])
  t.after(() => child.kill9())
  return child
}

const attempts = `
import { fork } from 'node:child_process'
import { createServer, defineModule, memory } from ${JSON.stringify(source('index.ts'))}
import { Emitter } from ${JSON.stringify(source('emitter.ts'))}
import { redis } from ${JSON.stringify(source('drivers/redis/redis.ts'))}
import { startTestServer } from ${JSON.stringify(source('testing.ts'))}
const modules = [defineModule('/ws', {})]
const tell = (what, outcome) => console.log(what + ': ' + outcome)
const attempt = async (what, make) => {
  try {
    const made = await make()
    await made.close()
    tell(what, 'goes on')
  } catch (error) {
    tell(what, error.code + (error.message.includes('redis({ url })') ? ', says what to do' : ''))
  }
}
const who = process.argv[2] ?? 'worker'
await attempt(who + ' by default', () => createServer({ modules }))
if (who === 'worker') {
  await attempt('memory', () => createServer({ modules, driver: memory() }))
  await attempt('memory for one half', () => createServer({ modules, driver: { ...redis({ url: 'redis://127.0.0.1:1' }), queue: memory().queue } }))
  await attempt('emitter', () => new Emitter({ driver: memory() }))
  await attempt('isolated', () => createServer({ modules, driver: memory({ isolated: true }) }))
  await attempt('redis', () => createServer({ modules, driver: redis({ url: 'redis://127.0.0.1:1' }) }))
  await attempt('testing', () => startTestServer({ modules }))
  await new Promise((resolve) => fork(process.argv[1], ['forked']).once('exit', resolve))
}
process.exit(0)
`

test('a worker of node:cluster is refused the memory driver, unless it is told to be a cluster of its own', async (t) => {
  const file = join(await temporaryFolder(t), 'attempts.mjs')
  await writeFile(file, attempts)
  const workers = await startWorkers(t, file, 1)
  await workers.exited
  const refused = 'FLT_NOT_SHARED, says what to do'
  const expected = {
    'worker by default': refused,
    memory: refused,
    'memory for one half': refused,
    emitter: refused,
    isolated: 'goes on',
    redis: 'goes on',
    testing: 'goes on',
    // Test runners fork their files like this.
    'forked by default': 'goes on',
  }
  const told = Array.from(workers.stdout.matchAll(/^(.+): (.+)$/gm), ([, what, outcome]) => [what, outcome])
  assert.deepEqual(Object.fromEntries(told), expected, workers.stderr)
})

test('instances of pm2 are refused the memory driver, except for the first one', async (t) => {
  const file = join(await temporaryFolder(t), 'attempts.mjs')
  await writeFile(file, attempts)
  const outcomes = { 0: 'goes on', 1: 'FLT_NOT_SHARED, says what to do', 12: 'FLT_NOT_SHARED, says what to do' }
  for (const [instance, outcome] of Object.entries(outcomes)) {
    const env = { ...process.env, NODE_APP_INSTANCE: instance }
    const child = new Child(process.execPath, [...typescript, file, 'instance'], { env })
    await child.exited
    assert.equal(child.stdout, `instance by default: ${outcome}\n`, child.stderr)
  }
})

test('flotilla start in several workers says what to do, instead of losing every second message', async (t) => {
  const port = await freePort()
  const start = ['start', '--dev', `--port=${port}`, '--log-level=silent']
  const refused = await startWorkers(t, cli, 2, ...start)
  await refused.exited
  assert.deepEqual(refused.stdout, 'exit 2\nexit 2\n')
  const lines = refused.stderr.trim().split('\n')
  for (const line of lines) assert.match(line, /^this process is one of several workers .*--redis.*--isolated/)
  const isolated = await startWorkers(t, cli, 2, ...start, '--isolated')
  await isolated.said(/^ready .*\n(.*\n)*ready /m, { timeout: 60_000 })
  const second = await flotilla(['start', '--dev', '--port=0'], { env: { NODE_APP_INSTANCE: '1' } })
  assert.equal(second.code, 2)
  const env = { NODE_APP_INSTANCE: '1', FLOTILLA_ISOLATED: 'true' }
  await startFlotilla(t, ['--dev', '--port=0', '--log-level=silent'], { env })
})
