import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer, defineModule, rateLimit, type ServerOptions } from '../../src/index.ts'
import { connect, startTestServer, type TestClient, type TestServer } from '../../src/testing.ts'
import { temporaryFolder } from '../standalone/flotilla.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const [CONTINUATION, TEXT, PING, PONG] = [0, 1, 9, 10]

let handledCount = 0
const echo = defineModule('/echo', {
  message(ctx) {
    handledCount++
    return ctx.raw
  },
})
const start = (options: Partial<ServerOptions> = {}): Promise<TestServer> =>
  startTestServer({ modules: [echo], ...options })
const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } })
/** Sends messages until the connection is closed, faster than time refills the bucket. */
const flood = (client: TestClient): Promise<void> =>
  until('it is closed', () => {
    for (let n = 0; n < 60; n++) client.send('x')
    return client.socket.readyState !== client.socket.OPEN
  })

test('maxMessagesPerSecond: five seconds of messages may come at once, and a client that sends more is closed with 1008 and counted', async () => {
  await using server = await start({ maxMessagesPerSecond: 10 })
  const honest = await server.connect('/echo')
  for (let n = 0; n < 50; n++) honest.send(String(n))
  for (let n = 0; n < 50; n++) assert.equal(await honest.next(), String(n))
  const flooder = await server.connect('/echo')
  await flood(flooder)
  assert.deepEqual(await flooder.closed, { code: 1008, reason: 'too many messages' })
  assert.equal(server.server.stats().floodedCount, 1)
  assert.equal(honest.socket.readyState, honest.socket.OPEN)
})

test('maxMessagesPerSecond: a flooder that ignores being closed is no longer read, and is cut off', async () => {
  await using server = await start({ maxMessagesPerSecond: 10 })
  handledCount = 0
  const began = performance.now()
  using flooder = await RawClient.connect(server.url, '/echo')
  await until('it is gone', () => {
    flooder.sendMany('x'.repeat(100), 1_000)
    return server.server.local.size === 0 && flooder.isClosed
  })
  const refilled = 10 * Math.ceil((performance.now() - began) / 1_000)
  assert.ok(handledCount <= 50 + refilled, `${handledCount} were handled`)
})

test('maxMessagesPerSecondPerIp: the clients of one address share the limit, and a new connection does not reset it', async () => {
  await using server = await start({ maxMessagesPerSecondPerIp: 4, trustProxy: ['127.0.0.1'] })
  handledCount = 0
  const began = performance.now()
  const one = await server.connect('/echo', from('9.9.9.9'))
  const two = await server.connect('/echo', from('9.9.9.9'))
  const other = await server.connect('/echo', from('8.8.8.8'))
  for (let n = 0; n < 10; n++) one.send('x')
  await flood(two)
  assert.equal((await two.closed).code, 1008)
  one.close()
  await one.closed
  const again = await server.connect('/echo', from('9.9.9.9'))
  await flood(again)
  assert.equal((await again.closed).code, 1008)
  const refilled = 4 * Math.ceil((performance.now() - began) / 1_000)
  assert.ok(handledCount <= 20 + refilled, `${handledCount} were handled`)
  other.send('still here')
  assert.equal(await other.next(), 'still here')
})

for (const [what, opcode] of [
  ['pings', PING],
  ['pongs that nobody asked for', PONG],
] as const)
  test(`a flood of ${what} is cut off with 1008`, async () => {
    await using server = await start()
    using flooder = await RawClient.connect(server.url, '/echo')
    flooder.sendMany('', 5_000, { opcode })
    assert.equal(await flooder.closeCode(), 1008)
    assert.equal(server.server.stats().floodedCount, 1)
  })

test('answers to pings do not pile up for a client that does not read', async () => {
  await using server = await start()
  handledCount = 0
  using flooder = await RawClient.connect(server.url, '/echo')
  flooder.pause()
  for (let n = 0; n < 400; n++) flooder.send('x'.repeat(125), { opcode: PING })
  const [connection] = server.server.local
  flooder.send('done')
  await until('the pings are read', () => handledCount > 0)
  assert.ok(connection!.bufferedAmount < 100_000)
})

test('a message in more than 4096 fragments is closed with 1008', async () => {
  await using server = await start()
  using flooder = await RawClient.connect(server.url, '/echo')
  flooder.send('', { opcode: TEXT, fin: false })
  for (let n = 0; n < 4_100; n++) flooder.send('', { opcode: CONTINUATION, fin: false })
  assert.equal(await flooder.closeCode(), 1008)
})

test('maxPayload limits the sum of the fragments, and the inflated message', async () => {
  await using server = await start({ maxPayload: 10_000, compression: true })
  using pieces = await RawClient.connect(server.url, '/echo')
  pieces.send('x'.repeat(9_000), { fin: false })
  pieces.send('x'.repeat(9_000), { opcode: CONTINUATION })
  assert.equal(await pieces.closeCode(), 1009)
  const bomb = await server.connect('/echo')
  assert.match(bomb.socket.extensions, /permessage-deflate/)
  bomb.send('x'.repeat(5_000_000))
  assert.equal((await bomb.closed).code, 1009)
})

test('a client that was kicked and goes on sending is cut off', async () => {
  await using server = await start()
  using kicked = await RawClient.connect(server.url, '/echo')
  const [connection] = server.server.local
  connection!.disconnect()
  await until('it is gone', () => {
    kicked.sendMany('x', 1_000)
    return kicked.isClosed
  })
})

test('large messages that wait for a slow handler are bounded in bytes, not only in number', async () => {
  let release!: () => void
  const gate = new Promise<void>((resolve) => (release = resolve))
  let count = 0
  const slow = defineModule('/slow', {
    async message() {
      await gate
      count++
    },
  })
  await using server = await start({ modules: [slow], maxPending: 1_000_000 })
  const client = await server.connect('/slow')
  const chunk = Buffer.alloc(500_000, 'x')
  for (let n = 0; n < 100; n++) client.send(chunk)
  await until('it is held back', () => client.socket.bufferedAmount > 20_000_000)
  release()
  await until('all are handled', () => count === 100)
})

test('maxGroupsPerConnection: joining more groups fails with FLT_TOO_MANY, and in the handshake with 429', async () => {
  const greedy = defineModule('/greedy', {
    handshake: (ctx) => {
      for (let n = 0; n < Number(ctx.url.searchParams.get('groups')); n++) ctx.groups.add(`h${n}`)
    },
    commands: {
      join: { run: (ctx) => ctx.join(...(ctx.data as string[])) },
      leave: { run: (ctx) => ctx.leave(...(ctx.data as string[])) },
    },
  })
  await using server = await start({ modules: [greedy], maxGroupsPerConnection: 3 })
  await assert.rejects(server.connect('/greedy?groups=4'), /429/)
  const client = await server.connect('/greedy?groups=2')
  const ask = async (cmd: string, data: string[]): Promise<string | undefined> => {
    client.send({ cmd, data, id: 1 })
    return ((await client.nextJson()) as { error?: { code: string } }).error?.code
  }
  assert.equal(await ask('join', ['a', 'b']), 'FLT_TOO_MANY')
  assert.equal(await ask('join', ['a', 'h0', 'h1']), undefined)
  assert.equal(await ask('join', ['b']), 'FLT_TOO_MANY')
  assert.equal(await ask('leave', ['a']), undefined)
  assert.equal(await ask('join', ['b']), undefined)
  assert.equal(await server.server.cluster.join({ all: true }, 'c'), 0, 'a connection that is full is not counted')
})

/** A rate so low that no message is refilled while a test runs, however slow it is. */
const NEVER_AGAIN = 1e-9

function limited(limit = rateLimit({ perSecond: NEVER_AGAIN, burst: 5 })) {
  return defineModule('/limited', {
    handshake: (ctx) => void (ctx.uid = ctx.url.searchParams.get('uid') ?? undefined),
    commands: { say: { middleware: [limit], run: () => 'said' }, other: { run: () => 'done' } },
  })
}

async function ask(client: TestClient, cmd: string): Promise<unknown> {
  client.send({ cmd, id: 1 })
  const { data, error } = (await client.nextJson()) as { data?: unknown; error?: { code: string } }
  return data ?? error?.code
}

test('rateLimit refuses a command that is sent too often, and the connection stays open', async () => {
  await using server = await start({ modules: [limited()] })
  const client = await server.connect('/limited')
  for (let n = 0; n < 5; n++) assert.equal(await ask(client, 'say'), 'said')
  assert.equal(await ask(client, 'say'), 'FLT_TOO_MANY')
  assert.equal(await ask(client, 'other'), 'done')
})

test('rateLimit counts all connections of a user, also later ones, and without a user it counts the address', async () => {
  const modules = [limited()]
  await using server = await start({ modules, trustProxy: ['127.0.0.1'] })
  /** Connects ten clients at once, each of which sends one message, and returns how many get through. */
  const countOf = async (uid: string, ip: (n: number) => string): Promise<number> => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const client = await server.connect(`/limited${uid}`, from(ip(n)))
        const answer = await ask(client, 'say')
        client.close()
        return answer
      }),
    )
    assert.ok(answers.every((answer) => answer === 'said' || answer === 'FLT_TOO_MANY'))
    return answers.filter((answer) => answer === 'said').length
  }
  assert.equal(await countOf('?uid=ann', (n) => `9.9.9.${n}`), 5)
  assert.equal(await countOf('?uid=ann', () => '8.8.8.8'), 0, 'ann again')
  assert.equal(await countOf('?uid=bob', () => '8.8.8.8'), 5, 'somebody else at the same address')
  assert.equal(await countOf('', () => '8.8.8.8'), 5, 'a client without a uid, at the same address')
  assert.equal(await countOf('', () => '8.8.8.8'), 0)
  assert.equal(await countOf('', (n) => `2001:db8::${n}`), 5, 'one household')
  assert.equal(await countOf('', (n) => `2001:db8:0:${n + 1}::1`), 10, 'ten households')
  assert.equal(await countOf('?uid=9.9.9.9', () => '7.7.7.7'), 5, 'a user with the name of an address')
  assert.equal(await countOf('', () => '9.9.9.9'), 5)
})

test('rateLimit counts a message for the user that its connection has at that moment', async () => {
  const login = defineModule('/login', {
    middleware: { message: [rateLimit({ perSecond: NEVER_AGAIN, burst: 2 })] },
    commands: { as: { run: ({ cluster, connection, data }) => cluster.register(connection, String(data)) } },
  })
  await using server = await start({ modules: [login] })
  const client = await server.connect('/login')
  const as = async (uid: string): Promise<unknown> => {
    client.send({ cmd: 'as', data: uid, id: 1 })
    const { data, error } = (await client.nextJson()) as { data?: unknown; error?: { code: string } }
    return data ?? error?.code
  }
  assert.deepEqual([await as('ann'), await as('ann'), await as('bob')], ['ann', 'ann', 'bob'])
  assert.deepEqual([await as('bob'), await as('ann'), await as('cyd')], ['bob', 'ann', 'FLT_TOO_MANY'])
})

test('rateLimit counts each connection by itself over a Unix socket, which has no address', async (t) => {
  const path = join(await temporaryFolder(t), 's')
  const server = createServer({ modules: [limited()] })
  t.after(() => server.close())
  await server.listen({ unix: path })
  for (let n = 0; n < 2; n++) {
    const client = await connect(`ws+unix:${path}:/limited`)
    for (let sent = 0; sent < 5; sent++) assert.equal(await ask(client, 'say'), 'said')
    assert.equal(await ask(client, 'say'), 'FLT_TOO_MANY')
    client.close()
  }
})

test('rateLimit refuses bad options, and says what is wrong with them', () => {
  for (const options of [{}, { perSecond: 0 }, { perSecond: Number.NaN }, { perSecond: 1, burst: 0 }])
    assert.throws(() => rateLimit(options as never), { code: 'FLT_BAD_OPTION', message: /perSecond|burst/ })
  assert.throws(() => rateLimit({ perSecond: 1, brust: 2 } as never), { message: /'brust' \(did you mean 'burst'\?\)/ })
  assert.throws(() => rateLimit(undefined as never), { code: 'FLT_BAD_OPTION' })
})

test('a push to more than 10000 users at once is refused, and one to 10000 is not', async () => {
  await using server = await start()
  const uid = Array.from({ length: 10_001 }, (_, n) => `u${n}`)
  const { cluster } = server.server
  await assert.rejects(cluster.push({ uid }, 'x'), { code: 'FLT_BAD_TARGET', message: /lists 10001: at most 10000/ })
  await assert.rejects(cluster.push({ all: true }, 'x', { except: { uid } }), { code: 'FLT_BAD_TARGET' })
  assert.equal((await cluster.push({ uid: uid.slice(1) }, 'x')).offline.length, 10_000)
})
