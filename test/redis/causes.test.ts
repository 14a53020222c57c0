import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { redis, type RedisDriverOptions } from '../../src/drivers/redis/redis.ts'
import { createServer } from '../../src/index.ts'
import { Authority, type Certified } from '../support/certificates.ts'
import { Child } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { startReplicaPair } from '../support/redis-sentinel.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { answeringInfo } from './odd-servers.ts'
import { atEnd, startEmitter, TIMES } from './stage.ts'

/** So long that the test fails if Flotilla waits for what cannot get better. */
const FOR_EVER = 60_000

async function rejectsAtStart(
  t: TestContext,
  store: RedisDriverOptions,
  code: 'FLT_BAD_OPTION' | 'FLT_STORE_AWAY',
  message: RegExp,
): Promise<void> {
  const isLasting = code === 'FLT_BAD_OPTION'
  const times = isLasting
    ? { connectTimeout: FOR_EVER, storeWait: FOR_EVER }
    : { connectTimeout: 2_500, storeWait: 500 }
  const server = createServer({ modules: [], driver: redis(store), ...TIMES, ...times })
  atEnd(t, () => server.close({ timeout: 0 }))
  await assert.rejects(server.ready(), { code, message }, JSON.stringify(store.url))
}

async function listening(t: TestContext, server: HttpServer | TcpServer): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('an error at start names its cause, and what to do', () => {
  test('nobody is there: nothing listens, or no host has the name', async (t) => {
    const port = await freePort()
    const nobody =
      /^could not join the cluster within 2500 ms: nothing listens at this address: start Redis there, or correct the host and port in the URL \(connect ECONNREFUSED 127\.0\.0\.1:\d+\)$/
    const refused = /nothing listens at this address: .*ECONNREFUSED/
    const unknown = /no host has this name: correct the host|the name of this host cannot be looked up/
    const causes: [url: string, message: RegExp][] = [
      [`redis://127.0.0.1:${port}`, nobody],
      [`redis://localhost:${port}`, refused],
      [`rediss://127.0.0.1:${port}`, refused],
      [`redis+sentinel://127.0.0.1:${port}/main`, refused],
      [`redis+cluster://127.0.0.1:${port}`, refused],
      ['redis://nowhere.invalid', unknown],
      ['rediss://nowhere.invalid', unknown],
      ['redis+cluster://nowhere.invalid', unknown],
      ['redis+sentinel://nowhere.invalid/main', unknown],
    ]
    // All at once, because each takes the whole time that Redis is waited for.
    await Promise.all(causes.map(([url, message]) => rejectsAtStart(t, { url }, 'FLT_STORE_AWAY', message)))
  })

  test('the cause is known even if no attempt has ended yet', async (t) => {
    const driver = redis({ url: `redis://127.0.0.1:${await freePort()}` })
    const server = createServer({ modules: [], driver, ...TIMES, storeWait: 3_000, connectTimeout: 300 })
    atEnd(t, () => server.close({ timeout: 0 }))
    await assert.rejects(server.ready(), { code: 'FLT_STORE_AWAY', message: /within 300 ms: nothing listens at this/ })
  })

  test('a Redis that takes connections and then hangs is not called absent', async (t) => {
    const hanging = await startRedis()
    atEnd(t, () => hanging.stop())
    hanging.pause()
    await rejectsAtStart(t, { url: hanging.url }, 'FLT_STORE_AWAY', /Redis does not answer: .*hangs/)
  })

  test('a refusal no longer counts when the server that refused has gone', async (t) => {
    const locked = await startRedis(['--save', '', '--requirepass', 'secret'])
    const emitter = startEmitter(t, { url: `redis://127.0.0.1:${locked.port}` }, 1_000)
    const failure = (): Promise<unknown> => emitter.push({ all: true }, 'x').catch((error: unknown) => error)
    const refused = await failure()
    await locked.stop()
    assert.match(String(refused), /Redis asks for a password/)
    await until('the error says that it has gone', async () => /nothing listens at this/.test(String(await failure())))
  })

  test('a replica is named as one', async (t) => {
    const pair = await startReplicaPair()
    atEnd(t, () => pair.stop())
    const says = /this Redis is a replica and takes no writes: give the address of its master/
    await rejectsAtStart(t, { url: pair.replica.url }, 'FLT_STORE_AWAY', says)
  })

  test('a Redis that is too old is refused with its version, even if it knows every command of the start', async (t) => {
    const answering = (version: string): Promise<string> =>
      listening(t, createTcpServer(answeringInfo(`redis_version:${version}\r\nredis_mode:standalone`)))
    for (const version of ['6.0.16', '5.0.14', '2.8.0']) {
      const says = /too old: replace it by version 6\.2 or newer \(redis_version:/
      await rejectsAtStart(t, { url: `redis://${await answering(version)}` }, 'FLT_BAD_OPTION', says)
    }
    const isNot = /^could not join the cluster within 2500 ms: (?!.*too old)/
    const others = await Promise.all(['6.2.0', '10.0.0', 'unknown'].map(answering))
    await Promise.all(others.map((host) => rejectsAtStart(t, { url: `redis://${host}` }, 'FLT_STORE_AWAY', isNot)))
  })

  test('one server, a sentinel and a member of a cluster are told apart', async (t) => {
    const single = await startRedis()
    atEnd(t, () => single.stop())
    const member = await startRedis([
      '--save',
      '',
      '--cluster-enabled',
      'yes',
      '--cluster-port',
      String(await freePort()),
    ])
    atEnd(t, () => member.stop())
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-sentinel-'))
    atEnd(t, () => rm(folder, { recursive: true, force: true }))
    const port = await freePort()
    const file = join(folder, 'sentinel.conf')
    await writeFile(file, `port ${port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${single.port} 1\n`)
    const sentinel = new Child('redis-server', [file, '--sentinel'])
    atEnd(t, () => sentinel.kill9())
    await sentinel.said(/monitor master/)
    for (const [url, says] of [
      [`redis://127.0.0.1:${port}`, /this server is a sentinel: write redis\+sentinel:\/\/HOST:PORT\/MASTER_NAME/],
      [`redis+cluster://127.0.0.1:${port}`, /not a cluster: write redis:\/\/ in the URL, or redis\+sentinel:\/\//],
      [member.url, /is a member of a cluster: write redis\+cluster:\/\//],
      [`redis+sentinel://127.0.0.1:${member.port}/main`, /is not a sentinel/],
      [`redis+sentinel://127.0.0.1:${single.port}/main`, /is not a sentinel/],
      [`redis+cluster://127.0.0.1:${single.port}`, /this Redis is not a cluster: write redis:\/\//],
    ] as const)
      await rejectsAtStart(t, { url }, 'FLT_BAD_OPTION', says)
  })
})

describe('an error at start names what is wrong with TLS', () => {
  let authority: Authority
  let other: Authority
  let here: Certified
  before(() => {
    authority = Authority.make()
    other = Authority.make()
    here = authority.certify('here', 'IP:127.0.0.1')
  })
  after(() => {
    authority.remove()
    other.remove()
  })

  async function startTls(t: TestContext, certified: Certified, asksClients = false): Promise<number> {
    const port = await freePort()
    const args = ['--save', '', '--tls-port', String(port), ...authority.redisArgs(certified, asksClients)]
    const server = await startRedis(args)
    atEnd(t, () => server.stop())
    return port
  }

  test('an unknown authority, another name, and certificates of ours that are missing or not accepted', async (t) => {
    const port = await startTls(t, here)
    const unknown = /authority that is not trusted here: give that authority's certificate as tls\.ca \(/
    for (const [kind, end] of [
      ['rediss', ''],
      ['rediss+cluster', ''],
      ['rediss+sentinel', '/main'],
    ]) {
      const url = `${kind}://127.0.0.1:${port}${end}`
      await rejectsAtStart(t, { url }, 'FLT_BAD_OPTION', unknown)
      await rejectsAtStart(t, { url, tls: { ca: other.ca } }, 'FLT_BAD_OPTION', unknown)
    }
    const named = await startTls(t, authority.certify('named', 'DNS:redis.internal'))
    const tls = { ca: authority.ca }
    const says = /does not have the host of the URL: .*give one of its names as tls\.servername/
    await rejectsAtStart(t, { url: `rediss://127.0.0.1:${named}`, tls }, 'FLT_BAD_OPTION', says)
    const strict = `rediss://127.0.0.1:${await startTls(t, here, true)}`
    await rejectsAtStart(
      t,
      { url: strict, tls },
      'FLT_BAD_OPTION',
      /Redis asks for a certificate: give tls\.cert and tls\.key/,
    )
    const { cert, key } = other.certify('mine', 'DNS:flotilla')
    const refused = { url: strict, tls: { ...tls, cert, key } }
    await rejectsAtStart(t, refused, 'FLT_BAD_OPTION', /Redis does not accept the certificate in tls\.cert/)
  })

  test('TLS where there is none, none where there is TLS, and web servers of both kinds', async (t) => {
    const plain = await startRedis()
    atEnd(t, () => plain.stop())
    const locked = await startRedis(['--save', '', '--requirepass', 'secret'])
    atEnd(t, () => locked.stop())
    const port = await startTls(t, here)
    const strict = await startTls(t, here, true)
    const http = await listening(
      t,
      createHttpServer((_, response) => response.end('hello')),
    )
    const https = await listening(
      t,
      createHttpsServer({ ...here }, (_, response) => response.end('hello')),
    )
    const tls = { ca: authority.ca }
    const expectsTls = /this server expects TLS: write rediss:\/\/ instead of redis:\/\/ in the URL \(127\.0\.0\.1:/
    const speaksNone = /this Redis does not speak TLS at this port: write redis:\/\/ in the URL/
    const isWeb = /a web server answers at this address, not Redis: correct the host and port/
    for (const [url, says] of [
      [`redis://127.0.0.1:${port}`, expectsTls],
      [`redis://:secret@127.0.0.1:${strict}`, expectsTls],
      [`redis+cluster://127.0.0.1:${port}`, expectsTls],
      [`redis+sentinel://127.0.0.1:${port}/main`, expectsTls],
      [`rediss://127.0.0.1:${plain.port}`, speaksNone],
      [`rediss://127.0.0.1:${locked.port}`, speaksNone],
      [`rediss+cluster://127.0.0.1:${plain.port}`, speaksNone],
      [`rediss+sentinel://127.0.0.1:${plain.port}/main`, speaksNone],
      [`redis://${http}`, isWeb],
      [`rediss://${http}`, isWeb],
      [`rediss://${https}`, isWeb],
    ] as const)
      await rejectsAtStart(t, { url, ...(url.startsWith('rediss') && { tls }) }, 'FLT_BAD_OPTION', says)
  })

  test('an emitter names the same causes', async (t) => {
    const port = await startTls(t, here)
    const push = (store: RedisDriverOptions): Promise<unknown> =>
      startEmitter(t, store, FOR_EVER).push({ all: true }, 'x')
    await assert.rejects(push({ url: `redis://127.0.0.1:${port}` }), { code: 'FLT_BAD_OPTION', message: /expects TLS/ })
    await assert.rejects(push({ url: `rediss://127.0.0.1:${port}` }), { code: 'FLT_BAD_OPTION', message: /tls\.ca/ })
  })
})
