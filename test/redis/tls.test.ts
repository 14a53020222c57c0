import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { Link } from '../../src/drivers/redis/connection/link.ts'
import { redis, type RedisDriverOptions } from '../../src/drivers/redis/redis.ts'
import { Authority, type Certified } from '../support/certificates.ts'
import { Child } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { atEnd, client, startEmitter, startServer } from './stage.ts'

const BROKEN = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

describe('over TLS', () => {
  let authority: Authority
  let other: Authority
  /** For a host that is known by its address, and for one that is known by its name alone. */
  let here: Certified
  let named: Certified
  let mine: Certified
  before(() => {
    authority = Authority.make()
    other = Authority.make()
    here = authority.certify('here', 'IP:127.0.0.1')
    named = authority.certify('named', 'DNS:redis.internal')
    mine = authority.certify('mine', 'DNS:flotilla')
  })
  after(() => {
    authority.remove()
    other.remove()
  })

  async function startTls(t: TestContext, certified: Certified, asksClients = false): Promise<string> {
    const port = await freePort()
    const args = ['--save', '', '--tls-port', String(port), ...authority.redisArgs(certified, asksClients)]
    const server = await startRedis(args)
    atEnd(t, () => server.stop())
    return `127.0.0.1:${port}`
  }

  async function pushesArrive(t: TestContext, store: RedisDriverOptions): Promise<void> {
    const server = await startServer(t, store)
    const u = await client(t, server, 'uid=u')
    const { offline } = await startEmitter(t, store).push({ uid: 'u' }, 'over TLS')
    assert.deepEqual(offline, [])
    assert.equal(await u.next(), 'over TLS')
  }

  test('a Redis is trusted by its authority, with rediss:// or redis://, and a list of authorities may be given', async (t) => {
    const host = await startTls(t, here)
    await pushesArrive(t, { url: `rediss://${host}`, tls: { ca: authority.ca } })
    await pushesArrive(t, { url: `redis://${host}/1`, tls: { ca: [other.ca, String(authority.ca)] } })
    await pushesArrive(t, { url: `rediss://${host}/2`, tls: { rejectUnauthorized: false } })
  })

  test('a Redis that hangs after it has served is not called one that lacks TLS', async (t) => {
    const port = await freePort()
    const args = ['--save', '', '--tls-port', String(port), ...authority.redisArgs(here)]
    const hanging = await startRedis(args)
    atEnd(t, () => hanging.stop())
    const emitter = startEmitter(t, { url: `rediss://127.0.0.1:${port}`, tls: { ca: authority.ca } }, 3_000)
    const serves = (): Promise<void> =>
      until('Redis serves', () =>
        emitter.push({ all: true }, 'x').then(
          () => true,
          () => false,
        ),
      )
    await serves()
    hanging.pause()
    // Longer than it takes to notice that nothing is answered, to connect again, and to give that up.
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(emitter.push({ all: true }, 'x'), {
        code: 'FLT_STORE_AWAY',
        message: /^Redis does not answer: try again, and look whether it hangs/,
      })
    }
    hanging.resume()
    await serves()
  })

  test('a Redis that asks for a certificate gets ours, and one with another name is trusted if it is given', async (t) => {
    const strict = await startTls(t, here, true)
    const tls = { ca: authority.ca, cert: mine.cert, key: mine.key }
    await pushesArrive(t, { url: `rediss://${strict}`, tls })
    const elsewhere = await startTls(t, named)
    await pushesArrive(t, { url: `rediss://${elsewhere}`, tls: { ca: authority.ca, servername: 'redis.internal' } })
  })

  test('sentinels and their master are both reached over TLS', async (t) => {
    const host = await startTls(t, here, true)
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-sentinel-'))
    atEnd(t, () => rm(folder, { recursive: true, force: true }))
    const port = await freePort()
    const lines = ['port 0', `tls-port ${port}`, 'bind 127.0.0.1', 'tls-replication yes']
    const options = authority.redisArgs(here, true).join(' ').split('--').filter(Boolean)
    const file = join(folder, 'sentinel.conf')
    await writeFile(file, [...lines, ...options, `sentinel monitor main ${host.replace(':', ' ')} 1`].join('\n'))
    const sentinel = new Child('redis-server', [file, '--sentinel'])
    atEnd(t, () => sentinel.kill9())
    await sentinel.said(/monitor master/)
    const tls = { ca: authority.ca, cert: mine.cert, key: mine.key }
    await pushesArrive(t, { url: `rediss+sentinel://127.0.0.1:${port}/main`, tls })
  })

  test('the members of a cluster are called by the names that they announce, because those are in their certificates', async (t) => {
    const certified = authority.certify('localhost', 'DNS:localhost')
    const announce = ['--tls-cluster', 'yes', '--cluster-announce-hostname', 'localhost']
    const cluster = await startCluster([...authority.redisArgs(certified), ...announce], { replicas: false })
    atEnd(t, () => cluster.stop())
    const ports: number[] = []
    for (const { url } of cluster.servers) {
      const port = await freePort()
      ports.push(port)
      const raw = new Redis(url)
      atEnd(t, () => raw.disconnect())
      await raw.config('SET', 'tls-port', String(port))
      // A Redis that runs names its new port only if it is told to.
      await raw.config('SET', 'cluster-announce-tls-port', String(port))
    }
    const [first] = ports
    const raw = new Redis({ host: 'localhost', port: first!, tls: { ca: authority.ca } })
    atEnd(t, () => raw.disconnect())
    await until('everyone knows the ports for TLS', async () => {
      const nodes = String(await raw.call('CLUSTER', 'NODES'))
      return ports.every((port) => nodes.includes(`:${port}@`)) && nodes.split(',localhost').length === ports.length + 1
    })
    await pushesArrive(t, { url: `rediss+cluster://localhost:${first}`, tls: { ca: authority.ca } })
  })

  test('a socket that emits a second error, as one of TLS may, harms nobody', async (t) => {
    const server = await startRedis()
    atEnd(t, () => server.stop())
    const link = new Link({ host: '127.0.0.1', port: server.port, connectionName: 'test', protocol: 2 })
    atEnd(t, () => link.disconnect())
    const errors: string[] = []
    link.on('error', ({ message }: Error) => errors.push(message))
    await once(link, 'ready')
    const { stream } = link
    for (const message of ['the certificate is not trusted', 'the peer sent an alert'])
      stream.emit('error', new Error(message))
    assert.deepEqual(errors, ['the certificate is not trusted'])
  })

  test('TLS options that cannot work are an error where the driver is made, and never shown', () => {
    const key = String(mine.key)
    for (const [tls, says] of [
      [
        { ca: authority.caFile },
        /^tls\.ca: give a certificate in PEM, which is the content of its file, not the path$/,
      ],
      [{ ca: ['x'] }, /^tls\.ca: /],
      [{ ca: key }, /^tls\.ca: /],
      [{ ca: 7 }, /^tls\.ca: /],
      [{ cert: mine.cert }, /^tls\.cert: give tls\.key as well/],
      [{ key }, /^tls\.key: give tls\.cert as well/],
      [{ cert: key, key }, /^tls\.cert: give a certificate in PEM/],
      [{ cert: mine.cert, key: mine.cert }, /^tls\.key: give a private key in PEM/],
      [{ cert: mine.cert, key: here.key }, /^tls\.key: this is the private key of another certificate/],
      [{ cert: `${String(mine.cert)}${BROKEN}`, key }, /^tls\.cert: .*OpenSSL does not take these \(ERR_/],
      [{ passphrase: 'secret' }, /^tls\.passphrase: /],
      [{ servername: '' }, /^tls\.servername: /],
      [{ servername: 7 }, /^tls\.servername: /],
      [{ rejectUnauthorized: 'no' }, /^tls\.rejectUnauthorized: give true or false/],
      [{ serverName: 'x' }, /'serverName' \(did you mean 'servername'\?\): tls has no such option/],
      [true, /^tls takes an object with ca, cert, key/],
    ] as const) {
      assert.throws(
        () => redis({ url: 'rediss://127.0.0.1', tls: tls as never }),
        (error: Error & { code?: string }) => {
          assert.match(error.message, says)
          assert.equal(error.code, 'FLT_BAD_OPTION')
          assert.ok(!error.message.includes(key.split('\n')[1]!))
          return true
        },
      )
    }
  })
})
