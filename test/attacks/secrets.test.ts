import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { redis as redisDriver } from '../../src/drivers/redis/redis.ts'
import { Emitter } from '../../src/emitter.ts'
import { authenticate, createServer, type Logger } from '../../src/index.ts'
import { caller } from '../standalone/api-call.ts'
import { flotilla, startFlotilla, temporaryFolder } from '../standalone/flotilla.ts'
import { connect } from '../support/connect.ts'
import { freePort } from '../support/free-port.ts'
import { startSentinels } from '../support/redis-sentinel.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

/** A mark that is in every planted secret, and in nothing else. */
const MARK = 'xyzzy'
const PASSWORD = `${MARK}/p@ss?word#${MARK}`
const ENCODED = encodeURIComponent(PASSWORD)

function assertSilent(said: string, what: string): void {
  for (const form of [MARK, encodeURIComponent(MARK), Buffer.from(MARK).toString('base64url').slice(0, 6)])
    assert.ok(!said.includes(form), `${what}: ${said}`)
}

async function startLockedRedis(t: TestContext): Promise<RedisServer> {
  const redis = await startRedis(['--save', '', '--requirepass', PASSWORD])
  t.after(() => redis.stop())
  return redis
}

/** Records everything that a server logs and reports. */
function listen(): { heard: unknown[]; logger: Logger; onError: (report: object) => void } {
  const heard: unknown[] = []
  const hear = (...said: unknown[]): void => void heard.push(...said)
  return { heard, logger: { debug: hear, info: hear, warn: hear, error: hear }, onError: hear }
}

/** Everything about the values that a logger, the console or a crash could show. */
function everything(values: readonly unknown[]): string {
  const seen = new Set<unknown>()
  const inside = (value: unknown): string => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return ''
    seen.add(value)
    const names = Object.getOwnPropertyNames(value)
    const parts = names.map((name) => (value as Record<string, unknown>)[name])
    return `${String((value as { stack?: string }).stack)} ${parts.map((part) => (typeof part === 'string' ? part : inside(part))).join(' ')}`
  }
  return values.map((value) => `${inspect(value, { depth: 20, showHidden: true })} ${inside(value)}`).join('\n')
}

const times = { heartbeat: 100, deadAfter: 400, storeWait: 300, connectTimeout: 2_000 }

test('errors of the store reveal neither its password nor messages, however they are printed', async (t) => {
  const redis = await startLockedRedis(t)
  const raw = new Redis(redis.port, { password: PASSWORD, retryStrategy: () => 50 })
  raw.on('error', () => {})
  t.after(() => raw.disconnect())
  const { heard, ...listeners } = listen()
  const driver = redisDriver({ url: redis.url.replace('//', `//:${ENCODED}@`) })
  const server = createServer({ modules: [], driver, ...times, ...listeners })
  t.after(() => server.close({ timeout: 0 }))
  await server.listen(0)
  const push = (): Promise<unknown> =>
    server.cluster
      .push({ all: true }, `a message of ${MARK}`, { id: `${MARK}-${heard.length}` })
      .catch((error: unknown) => heard.push(error))
  await push()
  // Redis refuses these commands with errors that may show their arguments.
  await raw.call('ACL', 'SETUSER', 'default', '-evalsha', '-xadd')
  await push()
  await raw.call('ACL', 'SETUSER', 'default', '+@all')
  for (const [key, type] of [
    ['m}:lease', 'string'],
    ['flotilla:{all}:s', 'string'],
  ] as const)
    await raw.set(key, type)
  await raw.config('SET', 'requirepass', `another ${MARK}`)
  await raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await until('a push has failed', async () => {
    await push()
    return everything(heard).includes('WRONGPASS')
  })
  await redis.kill9()
  await push()
  heard.push(
    server,
    server.cluster,
    driver,
    driver.state({ ...times, prefix: 'p', maxInboxBytes: 1, logger: listeners.logger }),
  )
  assertSilent(everything(heard), 'the password of the store')
})

test('the error for a command that Redis does not know does not show the arguments', async (t) => {
  for (const renamed of ['AUTH', 'EVALSHA', 'SELECT']) {
    const redis = await startRedis(['--save', '', '--rename-command', renamed, ''])
    t.after(() => redis.stop())
    const { heard, ...listeners } = listen()
    const driver = redisDriver({ url: `${redis.url.replace('//', `//:${ENCODED}@`)}/1` })
    const emitter = new Emitter({ driver, storeWait: 2_000, ...listeners })
    await assert.rejects(emitter.push({ uid: 'u' }, MARK), (error: unknown) => heard.push(error) > 0)
    await emitter.close()
    assertSilent(everything(heard), renamed)
  }
})

test('the error of sentinels that refuse their password does not show it', async (t) => {
  const trio = await startSentinels()
  t.after(() => trio.stop())
  for (const credentials of [`sentinelPassword=${ENCODED}`, `sentinelUsername=me&sentinelPassword=${ENCODED}`]) {
    const { heard, ...listeners } = listen()
    const driver = redisDriver({ url: `${trio.url}?${credentials}` })
    const server = createServer({ modules: [], driver, ...times, ...listeners })
    await assert.rejects(server.listen(0), (error: unknown) => heard.push(error) > 0)
    await server.close()
    assertSilent(everything(heard), credentials)
  }
})

test('the error for a bad option does not show its value', () => {
  const loose = (make: unknown) => make as (...args: unknown[]) => unknown
  const makes: (() => unknown)[] = [
    () => loose(redisDriver)(`redis://:${MARK}@host`),
    () => loose(redisDriver)({ url: `redis://${MARK}@host` }),
    () => loose(redisDriver)({ url: [`redis://${MARK}@host`] }),
    () => loose(authenticate)(MARK),
    () => loose(authenticate)({ jwks: `https://me:${MARK}@host`, issuer: 'i', audience: 'a' }),
    () => loose(authenticate)({ jwks: `ftp://me:${MARK}@host`, issuer: 'i', audience: 'a' }),
    () => loose(authenticate)({ secret: { key: MARK } }),
    () => loose(createServer)({ modules: [], driver: `redis://:${MARK}@host` }),
    () => loose(createServer)(`redis://:${MARK}@host`),
  ]
  for (const make of makes) {
    assert.throws(make, (error: unknown) => {
      assertSilent(everything([error]), String(make))
      return true
    })
  }
})

test('no command line reveals a secret, whatever is wrong with it', async (t) => {
  const cwd = await temporaryFolder(t)
  const nowhere = await freePort()
  const config = join(cwd, 'flotilla.json')
  await writeFile(config, JSON.stringify({ apiKey: `two ${MARK}`, tokenSecret: MARK, tlsKey: { pem: MARK } }))
  const broken = join(cwd, 'broken.json')
  await writeFile(broken, `{ "tokenSecret": "${MARK}" "apiKey": "${MARK}" }`)
  const throwing = join(cwd, 'throwing.ts')
  await writeFile(throwing, `export default { tokenSecret: '${MARK}', apiKey: new URL('${MARK}').href }`)
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = `${String(privateKey.export({ type: 'pkcs8', format: 'pem' }))}${MARK}`
  const enough = ['start', '--port=0', `--token-secret=${MARK}`, '--connect-timeout=300']
  const environment = {
    FLOTILLA_TOKEN_SECRET: MARK,
    FLOTILLA_API_KEY: MARK,
    FLOTILLA_REDIS: `redis://:${ENCODED}@127.0.0.1:${nowhere}`,
  }
  const lines: [args: string[], env?: Record<string, string>][] = [
    ...['start', 'push', 'token', 'restart'].map((command): [string[], Record<string, string>] => [
      [...command.split(' ').filter(Boolean), '--help'],
      environment,
    ]),
    [['start', `--api-kye=${MARK}`]],
    [['start', `--token-secrets=it's ${MARK}'s`]],
    [[`--api-key=${MARK}`, 'start']],
    [['start', `-k${MARK}`]],
    [['start', '--api-key', `two ${MARK}`]],
    [['start', '--config', config]],
    [['start', '--config', broken]],
    [['start', '--config', throwing]],
    [['start', `--jwks=https://me:${MARK}@host/keys`, '--token-issuer=i', '--token-audience=a']],
    [['start', `--jwks=ftp://host/keys?key=${MARK}`, '--token-issuer=i', '--token-audience=a']],
    [[...enough, '--tls-cert', pem, '--tls-key', pem]],
    [[...enough, '--tls-cert', config, '--tls-key', pem]],
    [[...enough, '--daemon', '--pid-file', join(cwd, 'none', 'x.pid')], environment],
    [[...enough, '--log-level=debug', '--redis', `redis://:${ENCODED}@127.0.0.1:${nowhere}`]],
    [[...enough, '--redis', `rediss+sentinel://:${ENCODED}@127.0.0.1:${nowhere}/main?sentinelPassword=${ENCODED}`]],
    [[...enough, '--redis', `redis://:${PASSWORD}@127.0.0.1:${nowhere}`]],
    [enough, { FLOTILLA_REDIS: `redis://${MARK}@127.0.0.1:${nowhere}` }],
    [['push', 'x', '--all', '--url', `http://me:${MARK}@127.0.0.1:${nowhere}`]],
    [['push', 'x', '--all', '--url', `http://127.0.0.1:${nowhere}`, '--api-key', `a\n${MARK}`]],
    [['push', 'x', '--all', '--url', `http://127.0.0.1:${nowhere}`], { FLOTILLA_API_KEY: `ä${MARK}` }],
    [['token', '--uid=u', `--token-secret=${MARK}`, '--expires=x']],
    [['restart', `--token-secret=${MARK}`, '--port=x'], environment],
    [['status', `--token-secret=${MARK}`], environment],
  ]
  // A few at a time, because each is a process.
  for (let at = 0; at < lines.length; at += 3) {
    await Promise.all(
      lines.slice(at, at + 3).map(async ([args, env = {}]) => {
        const { stdout, stderr } = await flotilla(args, { env, cwd })
        assert.notEqual(stdout + stderr, '', args.join(' '))
        assertSilent(stdout + stderr, args.join(' '))
      }),
    )
  }
})

test('a server that logs at the level debug, is misused, loses its store and crashes reveals no secret', async (t) => {
  const redis = await startLockedRedis(t)
  const cwd = await temporaryFolder(t)
  const module = join(cwd, 'crash.ts')
  const source = `import { defineModule } from 'flotilla'
export const crash = defineModule('/crash', { message: () => void setImmediate(() => { throw new Error('crashed') }) })`
  await writeFile(module, source)
  const secret = `${MARK} of thirty-two bytes and some more`
  const env = {
    FLOTILLA_REDIS: redis.url.replace('//', `//:${ENCODED}@`),
    FLOTILLA_TOKEN_SECRET: secret,
    FLOTILLA_API_KEY: `key-${MARK}`,
  }
  const flags = ['--port=0', '--log-level=debug', '--heartbeat=100', '--dead-after=1000', '--module', module]
  const { url, child, ended } = await startFlotilla(t, flags, { env })
  const { stdout: token } = await flotilla(['token', '--uid=ann'], { env: { FLOTILLA_TOKEN_SECRET: secret } })
  const headers = { cookie: `session=${MARK}` }
  const client = await connect(url, { token: token.trim(), path: '/crash', headers })
  const forged = `${token.trim().slice(0, -8)}AAAAAAAA`
  await assert.rejects(connect(url, { token: forged, headers }))
  await assert.rejects(connect(url, { protocols: ['flotilla', `token.${forged}`], headers }))
  const call = caller(url, `key-${MARK}`)
  assert.equal((await call('POST', '/api/push', { all: true, message: 'x' })).status, 200)
  await call('POST', `/api/push?token=${token.trim()}`, `not json ${MARK}`)
  await caller(url, `wrong-${MARK}`)('GET', '/api/stats')
  await redis.restart({ args: ['--save', '', '--requirepass', `another ${MARK}`] })
  await until('Redis refuses the server', async () => (await call('GET', '/readyz')).status === 503)
  await redis.kill9()
  await call('GET', '/readyz')
  client.send('crash')
  const { code, stdout, stderr } = await ended
  assert.notEqual(code, 0)
  assert.match(stderr, /crashed/)
  assert.match(stderr, /WRONGPASS/, 'it does log what Redis says')
  const [, payload = '', signature = ''] = token.trim().split('.')
  assertSilent(stdout + stderr, 'the log')
  for (const part of [payload, signature]) assert.ok(!stderr.includes(part))
  assert.equal(child.exitCode, code)
})
