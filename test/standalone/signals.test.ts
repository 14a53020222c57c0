import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Child } from '../support/child.ts'
import { connect } from '../support/connect.ts'
import { cli } from '../support/start-node.ts'
import { elapse, until } from '../support/until.ts'
import { API_KEY, caller, SECRET, tokenFor } from './api-call.ts'
import { startFlotilla, temporaryFolder } from './flotilla.ts'

const dev = ['--dev', '--port=0', '--log-level=silent']
const secured = ['--port=0', `--token-secret=${SECRET}`, `--api-key=${API_KEY}`]
/** Longer than the time in which two signals count as one. */
const ANOTHER_SIGNAL = 300

/** A connection that shows what the server writes to it. */
class Wire {
  readonly socket: Socket
  text = ''
  isClosed = false

  constructor(t: TestContext, url: string) {
    const { hostname, port } = new URL(url)
    this.socket = connectTcp(Number(port), hostname)
    this.socket.setEncoding('utf8').on('data', (data: string) => (this.text += data))
    this.socket.on('error', () => {}).on('close', () => (this.isClosed = true))
    t.after(() => this.socket.destroy())
  }

  async says(pattern: RegExp): Promise<void> {
    await until(`the server says ${pattern}`, () => pattern.test(this.text), { every: 2 })
  }

  async closes(): Promise<void> {
    await until('the connection closes', () => this.isClosed, { every: 2 })
  }
}

async function readyz(url: string): Promise<{ status: number; reason?: string }> {
  const answer = await fetch(`${url}/readyz`)
  return { ...((await answer.json()) as { reason?: string }), status: answer.status }
}

async function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => false),
    once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'),
  ]).catch(() => true)
  socket.destroy()
  return outcome
}

test('after SIGTERM the node is not ready, but serves everyone until the drain delay is over or another signal comes', async (t) => {
  const server = await startFlotilla(t, [...secured, '--log-level=silent', '--drain-delay=600000'])
  const { url } = server
  const before = await connect(url, { token: await tokenFor('ann') })
  const kept = new Wire(t, url)
  kept.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await kept.says(/keep-alive[^]*\{"status":"ok"\}/i)

  server.child.kill('SIGTERM')
  await until('it is not ready', async () => (await readyz(url)).status === 503)
  assert.equal((await readyz(url)).reason, 'draining')
  assert.equal(await isRefused(url), false)
  const during = await connect(url, { token: await tokenFor('bob') })
  const push = await caller(url)('POST', '/api/push', { uid: ['ann', 'bob'], message: 'still here' })
  assert.equal(push.status, 200)
  assert.deepEqual([await before.next(), await during.next()], ['still here', 'still here'])
  kept.text = ''
  kept.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await kept.says(/^HTTP\/1.1 200 [^]*connection: close/i)
  await kept.closes()

  await elapse(ANOTHER_SIGNAL)
  server.child.kill('SIGTERM')
  assert.deepEqual([(await before.closed).code, (await during.closed).code], [1001, 1001])
  assert.equal((await server.ended).code, 0)
})

for (const signal of ['SIGINT', 'SIGUSR2'] as const) {
  test(`${signal} closes at once, whatever the drain delay is`, async (t) => {
    const server = await startFlotilla(t, [...secured, '--log-level=silent', '--drain-delay=600000'])
    const client = await connect(server.url, { token: await tokenFor('ann') })
    server.child.kill(signal)
    assert.equal((await client.closed).code, 1001)
    assert.equal((await server.ended).code, 0)
  })
}

test('SIGQUIT drains like SIGTERM, and the drain ends by itself', async (t) => {
  const server = await startFlotilla(t, [...secured, '--log-level=info', '--drain-delay=50'])
  const client = await connect(server.url, { token: await tokenFor('ann') })
  server.child.kill('SIGQUIT')
  assert.equal((await client.closed).code, 1001)
  const { code, stderr } = await server.ended
  assert.equal(code, 0)
  assert.match(stderr, /"signal":"SIGQUIT","drainDelay":50/)
})

test('a request that is under way when the server closes is answered, and its connection ends', async (t) => {
  const server = await startFlotilla(t, dev)
  const wire = new Wire(t, server.url)
  const body = JSON.stringify({ all: true, message: 'last words' })
  const head = `POST /api/push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  wire.socket.write(head + body.slice(0, 5))
  // Once this is answered, the server has read what was written before.
  assert.equal((await readyz(server.url)).status, 200)
  server.child.kill('SIGINT')
  await until('the port is closed', () => isRefused(server.url))
  wire.socket.write(body.slice(5))
  await wire.says(/^HTTP\/1.1 200 [^]*"nodeCount"/)
  assert.match(wire.text, /^connection: close\r$/im)
  await wire.closes()
  assert.equal((await server.ended).code, 0)
})

test('SIGHUP reads keys, origins and the log level again, and one line says what has changed', async (t) => {
  const folder = await temporaryFolder(t)
  const heads = { json: '', mjs: 'export default ', cjs: 'module.exports = ' }
  for (const [kind, head] of Object.entries(heads)) {
    // A link to it, as many deployments have it.
    const [file, own] = [join(folder, `config.${kind}`), join(folder, `own.${kind}`)]
    symlinkSync(own, file)
    const write = (settings: object): void => {
      const json = JSON.stringify({ port: 0, tokenSecret: SECRET, logLevel: 'warn', ...settings })
      writeFileSync(own, head + json)
    }
    const newKey = 'n-'.repeat(20)
    write({ apiKey: API_KEY })
    const server = await startFlotilla(t, ['--config', file])
    let log = ''
    server.child.stderr!.on('data', (data) => (log += String(data)))
    const lines = (): Record<string, unknown>[] =>
      log
        .split('\n')
        .filter((line) => line.includes('the settings were read again'))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    const reload = async (count: number): Promise<Record<string, unknown>> => {
      server.child.kill('SIGHUP')
      await until('a line says so', () => lines().length === count)
      return lines()[count - 1]!
    }
    const keyWorks = async (key: string): Promise<number> => (await caller(server.url, key)('GET', '/api/stats')).status
    const client = await connect(server.url, { token: await tokenFor('ann') })
    t.after(() => client.vanish())
    const page = { origin: 'https://app.example' }
    await assert.rejects(connect(server.url, { token: await tokenFor('bob'), headers: page }), /403/)

    write({ apiKey: newKey, origins: ['https://app.example'], logLevel: 'info', maxPayload: 1000 })
    const done = await reload(1)
    assert.deepEqual(done['changed'], ['--log-level', '--origins', '--api-key'])
    assert.deepEqual(done['needRestart'], ['--max-payload'])
    assert.deepEqual([await keyWorks(newKey), await keyWorks(API_KEY)], [200, 401])
    await (await connect(server.url, { token: await tokenFor('bob'), headers: page })).vanish()

    write({ apiKey: API_KEY, origins: ['not an origin'] })
    assert.match(String((await reload(2))['reason']), /^--origins .*takes origins separated by commas/)
    assert.deepEqual([await keyWorks(newKey), await keyWorks(API_KEY)], [200, 401], 'nothing has changed')
    assert.ok(!log.includes(newKey) && !log.includes(API_KEY))
    assert.equal(client.socket.readyState, 1)
    server.child.kill('SIGINT')
    await server.ended
  }
})

test('SIGHUP never lets anyone in without a token, and names every setting that it leaves alone', async (t) => {
  const file = join(await temporaryFolder(t), 'config.json')
  const write = (settings: object): void => writeFileSync(file, JSON.stringify({ logLevel: 'info', ...settings }))
  write({ tokenSecret: SECRET, host: '127.0.0.1', port: 0, drainDelay: 0 })
  const server = await startFlotilla(t, ['--config', file])
  let log = ''
  server.child.stderr!.on('data', (data) => (log += String(data)))
  const reload = async (settings: object): Promise<unknown[]> => {
    log = ''
    write(settings)
    server.child.kill('SIGHUP')
    const line = (): string | undefined => /^.*"msg":"the settings were read again"\}$/m.exec(log)?.[0]
    await until('a line says so', () => line() !== undefined)
    const { changed, needRestart } = JSON.parse(line()!) as Record<string, unknown>
    return [changed, needRestart]
  }

  const tokens = '--token-secret, --jwks, --token-issuer or --token-audience'
  assert.deepEqual(await reload({ dev: true, port: 0, origins: ['*'] }), [[], ['--dev', '--origins', tokens, '--echo']])
  await assert.rejects(connect(server.url, { uid: 'mallory' }), /401/)

  const other = 'another secret of the tests'
  assert.deepEqual(await reload({ tokenSecret: other, clockTolerance: 0, port: 1, drainDelay: 0 }), [
    ['--clock-tolerance', tokens],
    ['--host, --port or --unix'],
  ])
  await assert.rejects(connect(server.url, { token: await tokenFor('ann') }), /401/)
  server.child.kill('SIGINT')
  await server.ended
})

test('SIGHUP reads the certificate again', async (t) => {
  const folder = await temporaryFolder(t)
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const certify = (name: string): void => {
    const request = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name}`.split(' ')
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  }
  certify('first')
  const server = await startFlotilla(t, [
    '--dev',
    '--port=0',
    '--log-level=error',
    '--tls-cert',
    cert,
    '--tls-key',
    key,
  ])
  const nameOf = async (): Promise<string | string[] | undefined> => {
    const socket = connectTls(Number(new URL(server.url).port), '127.0.0.1', { rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return subject.CN
  }
  assert.equal(await nameOf(), 'first')
  certify('second')
  server.child.kill('SIGHUP')
  await until('it has the other one', async () => (await nameOf()) === 'second')
  writeFileSync(cert, 'garbage')
  let log = ''
  server.child.stderr!.on('data', (data) => (log += String(data)))
  server.child.kill('SIGHUP')
  await until('the log says what is wrong', () => /--tls-cert \S+ is not a certificate in PEM/.test(log))
  assert.equal(await nameOf(), 'second')
})

test('SIGHUP closes a server on a terminal, because the terminal is gone', async (t) => {
  const pidFile = join(await temporaryFolder(t), 'run.pid')
  const command = [process.execPath, cli, 'start', ...dev, '--pid-file', pidFile].join(' ')
  const child = new Child('script', ['-qefc', command, '/dev/null'])
  t.after(() => child.kill9())
  const [, url = ''] = await child.said(/url=(\S+)/)
  const client = await connect(url, { uid: 'ann' })
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGHUP')
  assert.equal((await client.closed).code, 1001)
  assert.equal((await child.exited).code, 0)
})

test('pm2 is told when the server is ready', async (t) => {
  const child = fork(cli, ['start', ...dev], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] })
  t.after(() => child.kill('SIGKILL'))
  const [[message], [line]] = await Promise.all([
    once(child, 'message'),
    once(createInterface({ input: child.stdout! }), 'line'),
  ])
  assert.equal(message, 'ready')
  assert.match(String(line), /^ready node=/)
  child.kill('SIGTERM')
  assert.deepEqual((await once(child, 'exit'))[0], 0)
})

test('a server goes on if the program that started it no longer listens', async (t) => {
  const child = fork(cli, ['start', ...dev], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] })
  t.after(() => child.kill('SIGKILL'))
  const ready = once(createInterface({ input: child.stdout! }), 'line')
  child.disconnect()
  const [, url] = /url=(\S+)/.exec(String(await ready))!
  assert.equal((await readyz(url!)).status, 200)
  child.kill('SIGTERM')
  assert.deepEqual((await once(child, 'exit'))[0], 0)
})
