import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createServer, defineModule, type Driver, memory, type Server } from '../../src/index.ts'
import { connect, type RefusedError, type TestClient } from '../../src/testing.ts'
import { elapse, until } from '../support/until.ts'

const ws = defineModule('/ws/:uid', { handshake: (ctx) => void (ctx.uid = ctx.params.uid) })

const UPGRADE =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

async function listening(t: TestContext, http = createHttp()): Promise<HttpServer> {
  t.after(() => void http.close())
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return http
}

function create(t: TestContext, driver: Driver = memory()): Server {
  const server = createServer({ modules: [ws], driver })
  t.after(() => server.close())
  return server
}

function client(http: HttpServer, path = '/ws/u1'): Promise<TestClient> {
  return connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`)
}

/** Resolves once the callback of `close` has come, which it does after the last socket of the server has gone. */
function closing(http: HttpServer): Promise<unknown> {
  return new Promise((resolve) => http.close(resolve))
}

/** Waits until the server has ended by itself. */
function hasEnded(server: Server): Promise<void> {
  return until('the node has left', () =>
    server.cluster.push({ uid: 'u1' }, 'x').then(
      () => false,
      (error: { code: string }) => error.code === 'FLT_CLOSED',
    ),
  )
}

test('whoever closes the HTTP server ends an attached server: clients get 1001, and the node leaves', async (t) => {
  const driver = memory()
  const other = create(t, driver)
  await other.ready()
  const http = await listening(t)
  const server = create(t, driver).attach(http)
  const { closed } = await client(http)
  assert.equal((await other.cluster.nodes()).length, 2)
  assert.equal(await closing(http), undefined)
  assert.equal((await closed).code, 1001)
  await server.close()
  assert.deepEqual(
    (await other.cluster.nodes()).map(({ node }) => node),
    [other.cluster.self],
  )
  await hasEnded(server)
})

const ways: Record<string, (http: HttpServer, abort: AbortController) => unknown> = {
  'two calls of close at once': (http) => {
    http.close()
    http.close()
  },
  'close and closeAllConnections': (http) => {
    http.close()
    http.closeAllConnections()
  },
  'the signal of listen': (_http, abort) => abort.abort(),
  'Symbol.asyncDispose': (http) => http[Symbol.asyncDispose](),
}
for (const [way, end] of Object.entries(ways)) {
  test(`${way}: an attached server ends, and so does the HTTP server`, async (t) => {
    const http = createHttp()
    const server = create(t).attach(http)
    const abort = new AbortController()
    http.listen({ port: 0, host: '127.0.0.1', signal: abort.signal })
    await once(http, 'listening')
    const { closed } = await client(http)
    const gone = once(http, 'close')
    await Promise.all([end(http, abort), gone])
    assert.equal((await closed).code, 1001)
    await hasEnded(server)
  })
}

test('both close at once: each resolves, whoever was first', async (t) => {
  for (const isHostFirst of [true, false]) {
    const http = await listening(t)
    const server = create(t).attach(http)
    const { closed } = await client(http)
    const ends = [() => closing(http), () => server.close()]
    await Promise.all((isHostFirst ? ends : ends.toReversed()).map((end) => end()))
    assert.equal((await closed).code, 1001)
  }
})

test('two servers attached to one HTTP server both end with it', async (t) => {
  const http = await listening(t)
  const other = createServer({ modules: [defineModule('/other', {})], driver: memory() }).attach(http)
  t.after(() => other.close())
  create(t).attach(http)
  const clients = [await client(http), await client(http, '/other')]
  await closing(http)
  for (const { closed } of clients) assert.equal((await closed).code, 1001)
  await hasEnded(other)
})

test('of several servers attached to one HTTP server, one alone answers each client', async (t) => {
  const http = await listening(t)
  const errors: unknown[] = []
  const onError = ({ error }: { error: unknown }): void => void errors.push(error)
  const [first] = [1, 2].map(() => {
    const server = createServer({ modules: [ws], driver: memory({ isolated: true }), onError }).attach(http)
    t.after(() => server.close())
    return server
  })
  await assert.rejects(client(http, '/nowhere'), { status: 404 })
  const { closed } = await client(http)
  assert.equal(first!.local.size, 1)
  // The socket of a client that nobody had answered would keep the HTTP server open for ever.
  await closing(http)
  assert.equal((await closed).code, 1001)
  assert.deepEqual(errors, [])
})

test('an HTTP server that closes and listens again can be attached again, while its former clients still go', async (t) => {
  const [http, other] = [await listening(t), await listening(t)]
  const server = create(t).attach(http).attach(other)
  const slow = await client(http)
  // Without that, it answers the 1001.
  slow.socket.pause()
  http.close()
  await once(http.listen(0, '127.0.0.1'), 'listening')
  server.attach(http)
  const { closed } = await client(http, '/ws/u2')
  slow.socket.resume()
  assert.equal((await slow.closed).code, 1001)
  await client(http, '/ws/u3')
  await closing(http)
  assert.equal((await closed).code, 1001)
  await client(other, '/ws/u4')
})

test('a handshake that ends after its HTTP server began to close is refused, if the node stays', async (t) => {
  const [http, other] = [await listening(t), await listening(t)]
  let letIn!: () => void
  const handshake = (): Promise<void> => new Promise((resolve) => (letIn = resolve))
  const slow = defineModule('/slow', { handshake })
  const server = createServer({ modules: [slow, ws], driver: memory() })
    .attach(http)
    .attach(other)
  t.after(() => server.close())
  const first = await client(http)
  first.socket.pause()
  const late = client(http, '/slow')
  await until('the hook has begun', () => letIn !== undefined)
  const closed = closing(http)
  letIn()
  await assert.rejects(late, { status: 503, code: 'FLT_CLOSED' })
  first.socket.resume()
  await closed
})

test('a handshake whose hook ends while its node closes gets 503, and is not reported as an error', async (t) => {
  const errors: unknown[] = []
  let letIn!: () => void
  const handshake = (): Promise<void> => new Promise((resolve) => (letIn = resolve))
  const modules = [defineModule('/slow', { handshake }), ws]
  const onError = ({ error }: { error: unknown }): void => void errors.push(error)
  const server = createServer({ modules, driver: memory({ isolated: true }), onError })
  t.after(() => server.close())
  const url = await server.listen(0)
  const first = await connect(`${url}/ws/u1`)
  first.socket.pause()
  const late = connect(`${url}/slow`)
  await until('the hook has begun', () => letIn !== undefined)
  const closed = server.close()
  letIn()
  await assert.rejects(late, { status: 503, code: 'FLT_CLOSED' })
  assert.deepEqual(errors, [])
  first.socket.resume()
  await closed
})

test('a driver that cannot close does not keep the HTTP server open', async (t) => {
  const http = await listening(t)
  const driver = memory({ isolated: true })
  const state: Driver['state'] = (settings) => {
    const inner = driver.state(settings)
    const close = async (): Promise<void> => {
      await inner.close()
      throw new Error('the store is stuck')
    }
    return Object.create(inner, { close: { value: close } }) as typeof inner
  }
  let isHanging = false
  const handshake = (): Promise<void> => {
    isHanging = true
    return new Promise((resolve) => t.after(() => resolve()))
  }
  const stuck = defineModule('/stuck', { handshake })
  const server = createServer({ modules: [stuck], driver: { ...driver, state } }).attach(http)
  const late = client(http, '/stuck')
  await until('the hook has begun', () => isHanging)
  await assert.rejects(server.close(), /the store is stuck/)
  await closing(http)
  await assert.rejects(late)
})

test('a server attached to two HTTP servers loses the clients of the first that closes, and ends with the last', async (t) => {
  const [first, last] = [await listening(t), await listening(t)]
  const server = create(t).attach(first).attach(last)
  const [ours, theirs] = [await client(first, '/ws/u1'), await client(last, '/ws/u2')]
  await closing(first)
  assert.equal((await ours.closed).code, 1001)
  await server.cluster.push({ uid: 'u2' }, 'still here')
  assert.equal(await theirs.next(), 'still here')
  await client(last, '/ws/u3')
  await closing(last)
  assert.equal((await theirs.closed).code, 1001)
  await hasEnded(server)
})

test('a server that listens itself outlives an HTTP server to which it is attached', async (t) => {
  const http = await listening(t)
  const server = create(t).attach(http)
  const url = await server.listen(0)
  const [ours, theirs] = [await client(http), await connect(`${url}/ws/u2`)]
  await closing(http)
  assert.equal((await ours.closed).code, 1001)
  await server.cluster.push({ uid: 'u2' }, 'still here')
  assert.equal(await theirs.next(), 'still here')
})

test('attached twice to the same HTTP server, a server still answers each client once', async (t) => {
  const http = await listening(t)
  const server = create(t).attach(http).attach(http)
  const { closed } = await client(http)
  assert.equal(server.local.size, 1)
  await closing(http)
  assert.equal((await closed).code, 1001)
})

test('an HTTP server that is closed before it listens, and does not listen after that, ends an attached server', async (t) => {
  const http = createHttp()
  const server = create(t).attach(http)
  await server.ready()
  http.close()
  await hasEnded(server)
})

test('an HTTP server that closes and tries again because its port is taken keeps an attached server', async (t) => {
  const taken = await listening(t)
  const { port } = taken.address() as AddressInfo
  const http = createHttp()
  t.after(() => void http.close())
  const server = create(t).attach(http)
  const retried = new Promise<void>((resolve) => {
    let attempts = 0
    // As in Node's documentation of `server.listen`.
    http.on('error', () => {
      http.close()
      http.listen(++attempts < 3 ? port : 0, '127.0.0.1', resolve)
    })
  })
  http.listen(port, '127.0.0.1')
  await retried
  // Longer than the second in which a server that is closed may begin to listen after all.
  await elapse(1_200)
  const { closed } = await client(http)
  await closing(http)
  assert.equal((await closed).code, 1001)
  await hasEnded(server)
})

test('a failed listen is still an error that nobody handles, if the user does not handle it', async (t) => {
  const http = createHttp()
  create(t).attach(http)
  http.close()
  assert.equal(http.listenerCount('error'), 0)
  assert.throws(() => http.emit('error', new Error('taken')), /taken/)
})

test('a closed server leaves the HTTP server as it was, and cannot be attached again', async (t) => {
  const http = await listening(t)
  const listeners = http.listenerCount('upgrade')
  const { close } = http
  const servers = [create(t).attach(http), create(t).attach(http)]
  assert.notEqual(http.close, close)
  for (const server of servers) await server.close()
  assert.equal(http.close, close)
  assert.equal(Object.hasOwn(http, 'close'), false)
  assert.equal(http.listenerCount('upgrade'), listeners)
  assert.throws(() => servers[0]!.attach(http), { code: 'FLT_CLOSED' })
})

test('a close that others have put on the HTTP server, before or after, is called and kept', async (t) => {
  const http = await listening(t)
  const calls: string[] = []
  const wrap = (name: string): (() => void) => {
    const { close } = http
    const wrapped = (callback?: (error?: Error) => void): HttpServer => {
      calls.push(name)
      return close.call(http, callback)
    }
    http.close = wrapped
    return () => assert.equal(http.close, wrapped)
  }
  const isBefore = wrap('before')
  const first = create(t).attach(http)
  await first.close()
  isBefore()
  create(t).attach(http)
  const isAfter = wrap('after')
  const { closed } = await client(http)
  await closing(http)
  assert.equal((await closed).code, 1001)
  assert.deepEqual(calls, ['after', 'before'])
  isAfter()
})

test('a handshake that hangs does not keep the HTTP server open', async (t) => {
  const http = await listening(t)
  let isHanging = false
  const handshake = (): Promise<void> => {
    isHanging = true
    return new Promise((resolve) => t.after(() => resolve()))
  }
  const stuck = defineModule('/stuck', { handshake })
  const server = createServer({ modules: [stuck], driver: memory(), handshakeTimeout: 3_600_000 }).attach(http)
  t.after(() => server.close())
  const socket = connectTcp((http.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(`GET /stuck HTTP/1.1\r\nHost: x\r\n${UPGRADE}`)
  await until('the hook has begun', () => isHanging)
  await closing(http)
})

test('a client that returns while the HTTP server closes gets 503, and does not keep it open', async (t) => {
  const http = await listening(t)
  create(t).attach(http)
  const { port } = http.address() as AddressInfo
  const { closed } = await client(http)
  // It has connected in time, but asks only later. Nothing else would answer: the server has no request listener.
  const connected = once(http, 'connection')
  const late = connectTcp(port, '127.0.0.1')
  t.after(() => late.destroy())
  late.write('GET /ws/u2 HTTP/1.1\r\nHost: x\r\n')
  const [serverSide] = (await connected) as [Socket]
  await until('its request has begun', () => serverSide.bytesRead > 0, { every: 1 })
  const gone = once(http, 'close')
  http.close()
  assert.equal((await closed).code, 1001)
  late.write(UPGRADE)
  const [answer] = (await once(late, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1.1 503 /)
  await gone
})

test('a client that is let in while the node begins to close does not stay', async (t) => {
  const http = await listening(t)
  const clientCount = 64
  let arrivedCount = 0
  let letIn!: () => void
  const together = new Promise<void>((resolve) => (letIn = resolve))
  const crowd = defineModule('/crowd', {
    handshake() {
      if (++arrivedCount === clientCount) letIn()
      return together
    },
    // Only some of them get their 101 in this turn of the event loop. The others are bound, and wait for the next.
    open: () => void http.close(),
  })
  const server = createServer({ modules: [crowd], driver: memory() }).attach(http)
  t.after(() => server.close())
  const gone = once(http, 'close')
  const outcomes = Array.from({ length: clientCount }, () =>
    client(http, '/crowd').then(
      ({ closed }) => closed.then(({ code }) => code),
      (error: RefusedError) => error.status,
    ),
  )
  const seen = new Set((await Promise.all(outcomes)).map(String))
  await gone
  assert.deepEqual(seen, new Set(['1001', '503']))
})
