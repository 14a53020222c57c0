import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { identityByPs, identityOf } from '../../src/standalone/daemon/process-identity.ts'
import { connect } from '../support/connect.ts'
import { until } from '../support/until.ts'
import { type Ended, flotilla, type Place } from './flotilla.ts'

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const background = ['start', '--dev', '--port=0', '--log-level=info', '--daemon']

interface Folder {
  readonly cwd: string
  readonly pidFile: string
  readonly recordFile: string
  readonly logFile: string
  run(args: readonly string[], env?: Place['env']): Promise<Ended>
  record(): Record<string, unknown> & { pid: number }
}

/** A folder for the files of a server. After the test, its servers are killed. */
function folder(t: TestContext): Folder {
  const cwd = mkdtempSync(join(tmpdir(), 'flotilla-pid-file-'))
  const pidFile = join(cwd, 'flotilla.pid')
  const recordFile = `${pidFile}.json`
  const seen = new Set<number>()
  const record = (): ReturnType<Folder['record']> => JSON.parse(readFileSync(recordFile, 'utf8'))
  t.after(() => {
    for (const pid of seen) if (identityOf(pid) !== undefined) process.kill(pid, 'SIGKILL')
    rmSync(cwd, { recursive: true })
  })
  return {
    cwd,
    pidFile,
    recordFile,
    logFile: join(cwd, 'flotilla.log'),
    record,
    async run(args, env) {
      const ended = await flotilla(args, { cwd, ...(env !== undefined && { env }) })
      if (ended.stdout.startsWith('ready ')) seen.add(record().pid)
      return ended
    },
  }
}

async function killed({ record }: Folder): Promise<void> {
  const { pid } = record()
  process.kill(pid, 'SIGKILL')
  await until('it is gone', () => identityOf(pid) === undefined, { timeout: 30_000 })
}

async function decoy(t: TestContext): Promise<{ pid: number; isAlive: () => boolean }> {
  const idle = 'console.log(1); setInterval(() => {}, 1000)'
  const child = spawn(process.execPath, ['-e', idle, 'flotilla', 'dist/standalone/cli.js', 'start'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return { pid: child.pid!, isAlive: () => child.exitCode === null && child.signalCode === null }
}

const commands = [['status'], ['stop'], ['restart'], background]

test('stop never ends a process that the server did not note of itself, whatever its command line says', async (t) => {
  const place = folder(t)
  const { pid, isAlive } = await decoy(t)
  writeFileSync(place.pidFile, `${pid}\n`)
  for (const command of commands) {
    const { code, stderr } = await place.run(command)
    assert.equal(code, 1)
    assert.match(stderr, /flotilla\.pid was not written by flotilla/)
  }
  assert(existsSync(place.pidFile), 'a file of another program stays')
  assert(isAlive())
})

test('a process that got the pid of a server that died is left alone', async (t) => {
  const place = folder(t)
  await place.run(background)
  await killed(place)
  const { pid, isAlive } = await decoy(t)
  writeFileSync(place.recordFile, JSON.stringify({ ...place.record(), pid }), { mode: 0o600 })
  writeFileSync(place.pidFile, `${pid}\n`)
  assert.equal((await place.run(['status'])).code, 1)
  const { code, stdout } = await place.run(['stop'])
  assert.deepEqual([code, stdout], [3, `not running (removed flotilla.pid, left by pid ${pid})\n`])
  assert(isAlive())
  assert.deepEqual(readdirSync(place.cwd), ['flotilla.log'])
})

test('a process whose command line is another one by now is not ended, but its user told how to', async (t) => {
  const place = folder(t)
  const file = join(place.cwd, 'titled.mjs')
  const module = `import { defineModule } from 'flotilla'
process.title = 'while it was loaded'
export default defineModule('/ws', { open: () => { process.title = 'later' } })`
  writeFileSync(file, module)
  const { stdout } = await place.run([...background, `--module=${file}`])
  const again = await place.run(['restart'])
  assert.equal(again.code, 0, `a title that was set before the server was ready is accepted: ${stdout} ${again.stderr}`)
  const client = await connect(/url=(\S+)/.exec(again.stdout)![1]!, { uid: 'ann' })
  t.after(() => client.vanish())
  const { pid, command } = place.record()
  await until('the title is set', () => identityOf(pid)?.command !== command, { timeout: 30_000 })
  const refused = await place.run(['stop'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, new RegExp(`^pid ${pid} has a different command line .*kill ${pid}`))
  assert(identityOf(pid) !== undefined)
})

test('links, pipes and folders where a file is expected are refused, and what a link leads to stays as it was', async (t) => {
  const plants: Record<string, (path: string, victim: string) => void> = {
    'a link': (path, victim) => symlinkSync(victim, path),
    'a link to nothing': (path, victim) => symlinkSync(`${victim}.new`, path),
    'a pipe': (path) => execFileSync('mkfifo', [path]),
    'a folder': (path) => mkdirSync(path),
  }
  for (const [what, plant] of Object.entries(plants)) {
    for (const name of ['flotilla.pid', 'flotilla.pid.json', 'flotilla.log']) {
      const place = folder(t)
      const victim = join(mkdtempSync(join(place.cwd, 'elsewhere-')), 'victim')
      writeFileSync(victim, 'precious', { mode: 0o640 })
      plant(join(place.cwd, name), victim)
      const { code, stderr } = await place.run(background)
      assert.equal(code, 1, `${what} at ${name}`)
      assert.match(stderr, /is not a plain file, so it is not trusted: remove it, or give another --pid-file\n$/)
      assert.deepEqual([readFileSync(victim, 'utf8'), statSync(victim).mode & 0o777], ['precious', 0o640])
      assert(!existsSync(`${victim}.new`))
    }
  }
  const place = folder(t)
  writeFileSync(join(place.cwd, 'other'), 'precious')
  linkSync(join(place.cwd, 'other'), place.logFile)
  assert.match((await place.run(background)).stderr, /flotilla\.log has a second hard link/)
  assert.equal(readFileSync(place.logFile, 'utf8'), 'precious')
})

test(
  'what another user has made is not trusted: no command of theirs runs, and no process of theirs is ended',
  { skip: !isRoot },
  async (t) => {
    const place = folder(t)
    const { pid, isAlive } = await decoy(t)
    const marker = join(place.cwd, 'ran')
    const config = join(place.cwd, 'theirs.mjs')
    writeFileSync(
      config,
      `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(marker)}, '')\nexport default { dev: true }`,
    )
    const theirs = (file: string, text: string, mode = 0o666): void => {
      writeFileSync(file, text)
      chmodSync(file, mode)
      chownSync(file, NOBODY, NOBODY)
    }
    const args = ['--port=0', `--config=${config}`]
    const record = JSON.stringify({ pid, ...identityOf(pid), args, secrets: [], folder: place.cwd })
    for (const mode of [0o666, 0o644, 0o600]) {
      theirs(place.recordFile, record, mode)
      theirs(place.pidFile, `${pid}\n`, mode)
      for (const command of commands) {
        const { code, stderr } = await place.run(command)
        assert.equal(code, 1, String(command))
        assert.match(stderr, /flotilla\.pid\.json belongs to another user, so it is not trusted/)
      }
    }
    assert(isAlive())
    assert(!existsSync(marker))
    rmSync(place.recordFile)
    assert.match((await place.run(background)).stderr, /flotilla\.pid belongs to another user/)
    rmSync(place.pidFile)
    theirs(place.logFile, '')
    assert.match((await place.run(background)).stderr, /flotilla\.log belongs to another user/)
    assert.equal(statSync(place.logFile).uid, NOBODY)
  },
)

test('a record that others may write to is not trusted', async (t) => {
  const place = folder(t)
  await place.run(background)
  chmodSync(place.recordFile, 0o666)
  const { code, stderr } = await place.run(['stop'])
  assert.equal(code, 1)
  assert.match(stderr, /flotilla\.pid\.json can be written by others/)
  assert(identityOf(place.record().pid) !== undefined)
})

test('record and log are for their user alone, whatever the umask and whatever mode they had', async (t) => {
  const place = folder(t)
  writeFileSync(place.logFile, 'before\n')
  chmodSync(place.logFile, 0o666)
  const umask = process.umask(0)
  const started = place.run(background)
  process.umask(umask)
  assert.equal((await started).code, 0)
  const modeOf = (file: string): number => statSync(file).mode & 0o777
  assert.deepEqual([place.recordFile, place.logFile, place.pidFile].map(modeOf), [0o600, 0o600, 0o644])
  assert.match(readFileSync(place.logFile, 'utf8'), /^before\n/)
  assert.deepEqual(readdirSync(place.cwd).toSorted(), ['flotilla.log', 'flotilla.pid', 'flotilla.pid.json'])
})

test('no secret is kept on disk, and restart says which one it needs', async (t) => {
  const place = folder(t)
  const secrets = { token: 't'.repeat(32), key: 'k'.repeat(32) }
  const flags = ['start', '--port=0', '--log-level=silent', '--daemon', `--token-secret=${secrets.token}`]
  const started = await place.run(flags, { FLOTILLA_API_KEY: secrets.key })
  assert.equal(started.code, 0, started.stderr)
  for (const name of readdirSync(place.cwd)) {
    assert.doesNotMatch(readFileSync(join(place.cwd, name), 'utf8'), /tttt|kkkk/, name)
  }
  const refused = await place.run(['restart'], { FLOTILLA_TOKEN_SECRET: secrets.token })
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /^--api-key was given .*FLOTILLA_API_KEY/, 'otherwise the API would be off from now on')
  assert.equal((await place.run(['status'])).code, 0, 'it still runs')
  const env = { FLOTILLA_TOKEN_SECRET: secrets.token, FLOTILLA_API_KEY: secrets.key }
  const restarted = await place.run(['restart'], env)
  assert.equal(restarted.code, 0, restarted.stderr)
  assert.equal((await place.run(['stop'])).code, 0)
})

test('of several starts at once one wins, also if a server has died', async (t) => {
  const place = folder(t)
  for (let round = 0; round < 3; round++) {
    const starts = await Promise.all([place.run(background), place.run(background), place.run(background)])
    assert.deepEqual(
      starts.map(({ code }) => Number(code)).toSorted((one, other) => one - other),
      [0, 1, 1],
      JSON.stringify(starts),
    )
    for (const { code, stderr } of starts)
      if (code !== 0) assert.match(stderr, /^a server is already running \(pid \d+/)
    const { stdout } = starts.find(({ code }) => code === 0)!
    const [line] = (await place.run(['status'])).stdout.split('\n')
    assert.equal(`${line}\n`, `running pid=${place.record().pid} ${stdout.replace('ready ', '')}`)
    await killed(place)
  }
  assert.deepEqual(readdirSync(place.cwd).toSorted(), ['flotilla.log', 'flotilla.pid', 'flotilla.pid.json'])
})

test('without /proc, ps tells processes apart', async () => {
  const own = identityByPs(process.pid)
  assert(own !== undefined && Date.parse(own.started) <= Date.now(), JSON.stringify(own))
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const other = identityByPs(child.pid!)
  assert(other !== undefined && other.command !== own.command)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(identityByPs(child.pid!), undefined)
})
