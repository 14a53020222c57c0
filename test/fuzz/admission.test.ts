import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial, Socket } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AdmissionLimits, type ClientNetwork } from '../../src/admission/admission-limits.ts'
import { PlainSockets } from '../../src/admission/plain-sockets.ts'
import { defineModule, FlotillaError } from '../../src/index.ts'
import { startTestServer, type TestClient, type TestServer } from '../../src/testing.ts'
import { upgrade } from '../attacks/wire.ts'
import { runs } from '../support/fuzz.ts'
import { until } from '../support/until.ts'

const NETWORKS = ['1.1.1.1', '2.2.2.2', '3.3.3.3', '2001:db8::1', '2001:db8::2', '']
const anyIp = fc.constantFrom(...NETWORKS)

/** One client that meets the limits. */
interface Client {
  readonly ip: string
  readonly visitor: ClientNetwork
  isIn: boolean
}

const anyLimits = fc.record({
  maxHandshakes: fc.integer({ min: 1, max: 8 }),
  maxConnections: fc.integer({ min: 0, max: 5 }),
  maxConnectionsPerIp: fc.integer({ min: 0, max: 3 }),
  maxMessagesPerSecond: fc.constant(0),
  maxMessagesPerSecondPerIp: fc.constantFrom(0, 1_000),
})

test('whatever clients do, no limit is exceeded, and once all have gone there is as much room as at first', () => {
  const anyStep = fc.tuple(fc.constantFrom('begin', 'enter', 'end', 'leave'), fc.nat(), anyIp)
  const property = fc.property(anyLimits, fc.array(anyStep, { maxLength: 60 }), (settings, steps) => {
    const limits = new AdmissionLimits(settings)
    const shaking: Client[] = []
    const seated: ClientNetwork[] = []
    for (const [what, at, ip] of steps) {
      if (what === 'begin') {
        const visitor = limits.beginHandshake(ip)
        if (!(visitor instanceof FlotillaError)) shaking.push({ ip, visitor, isIn: false })
      } else if (what === 'leave') {
        const [visitor] = seated.splice(at % (seated.length || 1), 1)
        if (visitor !== undefined) limits.leave(visitor)
      } else {
        const client = shaking[at % (shaking.length || 1)]
        if (client === undefined) continue
        if (what === 'enter' && !client.isIn) {
          client.isIn = limits.enter(client.visitor) === undefined
          if (client.isIn) seated.push(client.visitor)
        }
        if (what === 'end') {
          limits.endHandshake(client.visitor)
          shaking.splice(shaking.indexOf(client), 1)
        }
      }
      assert.ok(shaking.length <= settings.maxHandshakes)
      if (settings.maxConnections > 0) assert.ok(seated.length <= settings.maxConnections)
      if (settings.maxConnectionsPerIp > 0) {
        for (const network of new Set(seated.map((visitor) => visitor.network).filter((name) => name !== '')))
          assert.ok(seated.filter((visitor) => visitor.network === network).length <= settings.maxConnectionsPerIp)
      }
    }
    for (const { visitor } of shaking) limits.endHandshake(visitor)
    for (const visitor of seated) limits.leave(visitor)
    assertIsEmpty(limits, settings)
  })
  fc.assert(property, runs(2_000))
})

/** Checks that the limits have room for exactly as many clients as new limits have. */
function assertIsEmpty(limits: AdmissionLimits, settings: ConstructorParameters<typeof AdmissionLimits>[0]): void {
  const seated: ClientNetwork[] = []
  const room = settings.maxConnections || 10
  for (let n = 0; n < room; n++) {
    const visitor = limits.beginHandshake(`9.9.9.${n}`)
    assert.ok(!(visitor instanceof FlotillaError))
    assert.equal(limits.enter(visitor), undefined)
    limits.endHandshake(visitor)
    seated.push(visitor)
  }
  if (settings.maxConnections > 0) assert.ok(limits.beginHandshake('') instanceof FlotillaError)
  for (const visitor of seated) limits.leave(visitor)
  const shaking = Array.from({ length: settings.maxHandshakes }, () => limits.beginHandshake(''))
  assert.ok(shaking.every((visitor) => !(visitor instanceof FlotillaError)))
  assert.ok(limits.beginHandshake('') instanceof FlotillaError)
}

interface Plain {
  readonly socket: Socket
  readonly network: string | undefined
  requestCount: number
}

test('whatever plain sockets do, there are never too many, and no socket with an open request gives way', async () => {
  const anyStep = fc.tuple(
    fc.constantFrom('add', 'add', 'head', 'arrives', 'ends', 'close', 'upgrade'),
    fc.nat(),
    fc.constantFrom('a', 'a', 'a', 'b', 'c', undefined),
  )
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 8 }),
    fc.array(anyStep, { maxLength: 80 }),
    async (max, steps) => {
      let goneCount = 0
      const sockets = new PlainSockets({ patience: 60_000, max, gaveWay: () => goneCount++ })
      let here: Plain[] = []
      const add = (network: string | undefined): void => {
        const before = goneCount
        const newcomer = { socket: new Socket(), network, requestCount: 0 }
        sockets.add(newcomer.socket, network)
        here.push(newcomer)
        const gone = here.filter(({ socket }) => socket.destroyed)
        assert.equal(gone.length, goneCount - before)
        assert.ok(gone.length <= 1)
        for (const { requestCount, network: of } of gone) {
          assert.equal(requestCount, 0)
          // A socket of another network gives way only if there is no room at all.
          if (of !== network) assert.equal(here.length, max + 1)
        }
        here = here.filter((plain) => !gone.includes(plain))
        assert.ok(here.length <= max)
      }
      for (const [what, at, network] of steps) {
        const plain = here[at % (here.length || 1)]
        if (what === 'add') add(network)
        else if (plain !== undefined) {
          const { socket } = plain
          if (what === 'head') sockets.headArrives(socket)
          if (what === 'arrives') {
            plain.requestCount++
            sockets.requestArrives(socket)
          }
          if (what === 'ends') {
            plain.requestCount = Math.max(0, plain.requestCount - 1)
            sockets.requestEnds(socket)
          }
          if (what === 'close') await once(socket.destroy(), 'close')
          if (what === 'upgrade') sockets.delete(socket)
          if (what === 'close' || what === 'upgrade') here = here.filter((other) => other !== plain)
        }
      }
      await Promise.all(here.map(({ socket }) => once(socket.destroy(), 'close')))
      here = []
      const before = goneCount
      for (let n = 0; n < max; n++) add(undefined)
      assert.equal(goneCount, before, 'there is as much room as at first')
      sockets.close()
    },
  )
  await fc.assert(property, runs(500))
})

const PATHS = ['/ws', '/ws', '/user', '/refuses', '/throws', '/misfit', '/nowhere', '/slow']
const modules = [
  defineModule('/ws', {}),
  defineModule('/user', { handshake: (ctx) => void (ctx.uid = 'popular') }),
  defineModule('/refuses', { handshake: () => Promise.resolve(new Response('no', { status: 401 })) }),
  defineModule('/throws', { handshake: () => Promise.reject(new Error('broken')) }),
  defineModule('/misfit', { handshake: (ctx) => void (ctx.protocol = 'other') }),
  defineModule('/slow', { handshake: () => new Promise<void>((resolve) => void setImmediate(resolve)) }),
]
const LIMITS = { maxHandshakes: 6, maxConnections: 4, maxConnectionsPerIp: 2, maxConnectionsPerUid: 1 }

test('whatever clients do at a node, no limit is exceeded, and once all are gone as many are let in as ever', async () => {
  await using server = await startTestServer({ modules, trustProxy: ['127.0.0.1'], ...LIMITS })
  const anyClient = fc.record({
    path: fc.constantFrom(...PATHS),
    ip: fc.constantFrom('1.1.1.1:80', '2.2.2.2', '[2001:db8::1]:443', 'unknown'),
    goes: fc.constantFrom('at once', 'when answered', 'at the end'),
  })
  const property = fc.asyncProperty(fc.array(anyClient, { maxLength: 15 }), async (clients) => {
    const sockets = await Promise.all(
      clients.map(async ({ path, ip, goes }) => {
        const socket = dial({ port: Number(new URL(server.url).port), host: '127.0.0.1', allowHalfOpen: true })
        const over = Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {})
        socket.on('error', () => {})
        socket.write(upgrade(path, { 'X-Forwarded-For': ip }))
        if (goes === 'at once') return socket.destroySoon()
        await over
        assert.ok(server.server.stats().connectionCount <= LIMITS.maxConnections)
        return goes === 'at the end' ? socket : void socket.destroy()
      }),
    )
    for (const socket of sockets) socket?.destroy()
    await isEmpty(server)
  })
  await fc.assert(property, runs(60))
})

/** Checks that the node accepts exactly as many clients as a new node does. */
async function isEmpty(server: TestServer): Promise<void> {
  const { maxConnections, maxConnectionsPerIp } = LIMITS
  const enter = (n: number) => {
    const ip = `9.9.9.${Math.floor(n / maxConnectionsPerIp)}`
    return server.connect('/ws', { headers: { 'x-forwarded-for': ip } }).catch(() => undefined)
  }
  const clients: TestClient[] = []
  for (let n = 0; n < maxConnections; n++) {
    let client = await enter(n)
    // The server may learn late that the other clients have gone.
    await until(`client ${n} is accepted`, async () => (client ??= await enter(n)) !== undefined)
    clients.push(client!)
  }
  assert.equal(await enter(1_000), undefined)
  for (const client of clients) client.close()
  await Promise.all(clients.map(({ closed }) => closed))
}
