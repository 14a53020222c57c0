import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from '../support/connect.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { flotilla } from './flotilla.ts'

const dev = ['--dev', '--log-level=info']

async function place(t: TestContext): Promise<{ cwd: string; pidFile: string; run: typeof flotilla }> {
  const cwd = await mkdtemp(join(tmpdir(), 'flotilla-daemon-'))
  const run: typeof flotilla = (args) => flotilla(args, { cwd })
  t.after(async () => {
    await run(['stop'])
    await rm(cwd, { recursive: true })
  })
  return { cwd, pidFile: join(cwd, 'flotilla.pid'), run }
}

function urlOf(stdout: string): string {
  const [, url] = /^ready node=\S+ url=(\S+)\n$/.exec(stdout) ?? []
  assert(url !== undefined, `not a ready line: ${stdout}`)
  return url
}

test('start --daemon, status, restart and stop', async (t) => {
  const { cwd, pidFile, run } = await place(t)
  const started = await run(['start', ...dev, '--port=0', '--daemon'])
  assert.deepEqual([started.code, started.stderr], [0, ''])
  const url = urlOf(started.stdout)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  assert(Number.isSafeInteger(pid))
  assert.equal(statSync(`${pidFile}.json`).mode & 0o077, 0, 'flags may hold secrets')
  const running = await run(['status'])
  assert.equal(running.code, 0)
  assert(running.stdout.startsWith(`running pid=${pid} ${started.stdout.replace('ready ', '')}`), running.stdout)

  const client = await connect(url, { uid: 'ann' })
  const restarted = await run(['restart'])
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.equal((await client.closed).code, 1001)
  assert.notEqual(Number(readFileSync(pidFile, 'utf8')), pid)
  const again = urlOf(restarted.stdout)
  assert.equal((await fetch(`${again}/healthz`)).status, 200, 'it has the same flags as before')

  const stopped = await run(['stop'])
  assert.deepEqual([stopped.code, /^stopped pid=\d+\n$/.test(stopped.stdout)], [0, true])
  await assert.rejects(fetch(`${again}/healthz`))
  assert(!existsSync(pidFile))
  assert.equal((await run(['status'])).code, 3)
  assert.match(readFileSync(join(cwd, 'flotilla.log'), 'utf8'), /closing/, 'logs go to a file')
})

test('restart does not stop a server that it could not start again', async (t) => {
  const { run } = await place(t)
  await run(['start', ...dev, '--port=0', '--daemon'])
  const refused = await run(['restart', '--port=0'])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /--token-secret/)
  assert.equal((await run(['status'])).code, 0, 'it still runs')
})

test('restart with flags uses those flags', async (t) => {
  const { run } = await place(t)
  await run(['start', ...dev, '--port=0', '--daemon'])
  const port = await freePort()
  const { code, stdout } = await run(['restart', ...dev, `--port=${port}`])
  assert.deepEqual([code, urlOf(stdout)], [0, `http://127.0.0.1:${port}`])
})

test('a start in the background that fails says why, and ends with the exit code of the server', async (t) => {
  const { cwd, pidFile, run } = await place(t)
  const bad = await run(['start', '--daemon', '--port=x'])
  assert.deepEqual([bad.code, bad.stdout], [2, ''])
  assert.match(bad.stderr, /^--port takes/)
  const away = `redis://127.0.0.1:${await freePort()}`
  const failed = await run(['start', ...dev, '--port=0', '--daemon', '--redis', away, '--connect-timeout=300'])
  assert.deepEqual([failed.code, failed.stdout], [1, ''])
  assert.match(failed.stderr, /^cannot reach the store at .*\n$/)
  const broken = join(cwd, 'broken.mjs')
  await writeFile(broken, 'process.exit(7)')
  const gone = await run(['start', ...dev, '--port=0', '--daemon', '--module', broken])
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /gave up before it was ready \(exit code 7\): see .*flotilla\.log\n$/)
  assert.equal((await run(['status'])).code, existsSync(pidFile) ? 1 : 3)
})

test('a second start with the same pid file is refused', async (t) => {
  const { run } = await place(t)
  await run(['start', ...dev, '--port=0', '--daemon'])
  for (const more of [['--daemon'], ['--pid-file=flotilla.pid']]) {
    const { code, stderr } = await run(['start', ...dev, '--port=0', ...more])
    assert.equal(code, 1)
    assert.match(stderr, /^a server is already running \(pid \d+, .*flotilla\.pid\)/)
  }
  assert.equal((await run(['status'])).code, 0, 'the first server is still running')
})

test('stop removes the pid file of a dead server, ends no other process, and leaves foreign pid files', async (t) => {
  const { pidFile, run } = await place(t)
  await run(['start', ...dev, '--port=0', '--daemon'])
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  await until('it is gone', async () => (await run(['status'])).code === 1)
  // The pid of this test process, which is alive but is not a server.
  await writeFile(pidFile, `${process.pid}\n`)
  assert.equal((await run(['status'])).code, 1)
  const { code, stdout } = await run(['stop'])
  assert.equal(code, 3)
  assert.match(stdout, /^not running \(removed .*flotilla\.pid/)
  assert(!existsSync(pidFile))
  await writeFile(pidFile, 'hello')
  const strange = await run(['stop'])
  assert.equal(strange.code, 1)
  assert.match(strange.stderr, /does not hold a process id/)
  assert(existsSync(pidFile))
})

test('restart starts a dead server again', async (t) => {
  const { pidFile, run } = await place(t)
  await run(['start', ...dev, '--port=0', '--daemon'])
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  const { code, stdout } = await run(['restart'])
  assert.equal(code, 0)
  assert.equal((await fetch(`${urlOf(stdout)}/healthz`)).status, 200)
})
