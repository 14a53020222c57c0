import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from '../support/connect.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { SECRET, tokenFor } from './api-call.ts'
import { type Ended, flotilla } from './flotilla.ts'

type Run = (args: readonly string[], env?: Record<string, string>) => Promise<Ended>

async function place(t: TestContext): Promise<{ cwd: string; run: Run }> {
  const cwd = await mkdtemp(join(tmpdir(), 'flotilla-status-'))
  const run: Run = (args, env = {}) => flotilla(args, { cwd, env })
  t.after(async () => {
    await run(['stop'])
    await rm(cwd, { recursive: true })
  })
  return { cwd, run }
}

const background = ['start', '--daemon', '--port=0', '--log-level=silent']

test('status says since when the server runs, and asks it for its connections and nodes', async (t) => {
  const { run } = await place(t)
  const { stdout } = await run([...background, '--dev'])
  const client = await connect(/url=(\S+)/.exec(stdout)![1]!, { uid: 'ann' })
  t.after(() => client.vanish())
  const status = await run(['status'])
  assert.deepEqual([status.code, status.stderr], [0, ''])
  const [first, second, ...rest] = status.stdout.split('\n')
  assert.match(first!, /^running pid=\d+ node=\S+ url=\S+$/)
  assert.match(second!, /^up for \d+ (s|min \d+ s)$/)
  assert.deepEqual(rest, ['1 connection', 'cluster: 1 node, 1 connection', ''])
})

test('without the API key status says less, and how to give it', async (t) => {
  const { run } = await place(t)
  const keys = { FLOTILLA_TOKEN_SECRET: SECRET, FLOTILLA_API_KEY: 'k'.repeat(32) }
  const { stdout } = await run(background, keys)
  const client = await connect(/url=(\S+)/.exec(stdout)![1]!, { token: await tokenFor('ann') })
  t.after(() => client.vanish())
  const silent = await run(['status'])
  assert.equal(silent.code, 0)
  assert.match(silent.stdout, /^running .*\nup for .*\n$/)
  assert.match(silent.stderr, /^connections and nodes cannot be shown: the API key is missing: set FLOTILLA_API_KEY/)
  assert.match((await run(['status'], { FLOTILLA_API_KEY: 'x' })).stderr, /the API key is wrong: set FLOTILLA_API_KEY/)
  assert.match((await run(['status'], keys)).stdout, /\n1 connection\ncluster: 1 node, 1 connection\n$/)
})

test('status asks over TLS and over a Unix socket', async (t) => {
  const { cwd, run } = await place(t)
  const subject = ['-subj', '/CN=push.example']
  const files = ['-keyout', join(cwd, 'key.pem'), '-out', join(cwd, 'cert.pem')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], { stdio: 'ignore' })
  await run([...background, '--dev', '--tls-cert=cert.pem', '--tls-key=key.pem'])
  assert.match((await run(['status'])).stdout, / url=https:.*\nup for .*\n0 connections\n/)
  await run(['stop'])
  await run(['start', '--daemon', '--dev', '--log-level=silent', '--unix=s'])
  assert.match((await run(['status'])).stdout, / url=unix:.*\nup for .*\n0 connections\n/)
})

test('status says that a server is not ready, or does not answer, and that it is running all the same', async (t) => {
  const { cwd, run } = await place(t)
  const redis = await startRedis()
  t.after(() => redis.stop())
  await run([...background, '--dev', '--redis', redis.url])
  assert.match((await run(['status'])).stdout, /cluster: 1 node, 0 connections/)
  redis.pause()
  try {
    const away = async (): Promise<boolean> => /\nnot ready: /.test((await run(['status'])).stdout)
    await until('it has noticed', away)
  } finally {
    redis.resume()
  }
  const pid = Number(readFileSync(join(cwd, 'flotilla.pid'), 'utf8'))
  process.kill(pid, 'SIGSTOP')
  try {
    const { code, stdout } = await run(['status'])
    assert.equal(code, 0)
    assert.match(stdout, /^running .*\nup for .*\nhttp:\S+ does not answer within 3000 ms\n$/)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
})

test('stop and restart end with the exit code of status if nothing is running', async (t) => {
  const { run } = await place(t)
  for (const command of ['status', 'stop', 'restart']) {
    const { code, stdout, stderr } = await run([command])
    assert.equal(code, 3, command)
    assert.match(stdout + stderr, /^not running \(there is no flotilla\.pid\)/)
  }
  await run([...background, '--dev'])
  assert.deepEqual([(await run(['stop'])).code, (await run(['stop'])).code], [0, 3])
})
