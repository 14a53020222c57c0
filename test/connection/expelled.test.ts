import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CloseContext,
  defineModule,
  type FlotillaError,
  type MessageContext,
  type Middleware,
  type OpenContext,
  type ServerOptions,
} from '../../src/index.ts'
import { startTestServer, type TestClient, type TestServer } from '../../src/testing.ts'
import { until } from '../support/until.ts'

const SENT = 30
const PATIENCE = { timeout: 60_000 }

/** A server whose handlers wait until they are let go. Records what becomes of the messages that a client sends. */
class Stage implements AsyncDisposable {
  readonly test: TestServer
  readonly begun: string[]
  readonly signals: AbortSignal[]
  readonly closes: CloseContext[]
  readonly #letGo: () => void
  #receivedCount = 0

  private constructor(test: TestServer, seen: Seen) {
    this.test = test
    this.begun = seen.begun
    this.signals = seen.signals
    this.closes = seen.closes
    this.#letGo = seen.letGo
    test.server.cluster.on('receive', () => this.#receivedCount++)
  }

  static async start({ concurrency = 1, open, ...options }: StageOptions = {}): Promise<Stage> {
    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => (letGo = resolve))
    const seen: Seen = { begun: [], signals: [], closes: [], letGo }
    const module = defineModule('/ws', {
      concurrency,
      handshake(ctx) {
        ctx.uid = 'ann'
        const expiresIn = ctx.url.searchParams.get('expiresIn')
        if (expiresIn !== null) ctx.expiresAt = Date.now() + Number(expiresIn)
      },
      open: (ctx) => open?.(ctx, held),
      async message(ctx: MessageContext) {
        seen.begun.push(String(ctx.raw))
        seen.signals.push(ctx.signal)
        await held
      },
      close: (ctx) => void seen.closes.push(ctx),
    })
    return new Stage(await startTestServer({ modules: [module], ...options }), seen)
  }

  /** Connects a client that sends thirty messages, and waits until the server has received all of them. */
  async crowd(path = '/ws'): Promise<TestClient> {
    const client = await this.test.connect(path)
    for (let n = 0; n < SENT; n++) client.send(`message ${n}`)
    await until('all messages are received', () => this.#receivedCount === SENT, PATIENCE)
    return client
  }

  /** Lets every handler go, and waits until the connection has ended. */
  async settle(): Promise<void> {
    this.#letGo()
    await until('the close hook has run', () => this.closes.length === 1, PATIENCE)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#letGo()
    await this.test.close()
  }
}

interface Seen {
  readonly begun: string[]
  readonly signals: AbortSignal[]
  readonly closes: CloseContext[]
  readonly letGo: () => void
}

interface StageOptions extends Partial<ServerOptions> {
  concurrency?: number
  open?: (ctx: OpenContext, held: Promise<void>) => unknown
}

for (const concurrency of [1, 3])
  test(`no handler begins for messages of a client that was kicked, ${concurrency} at a time`, async () => {
    await using stage = await Stage.start({ concurrency })
    const client = await stage.crowd()
    assert.equal(stage.begun.length, concurrency)
    assert.equal(await stage.test.server.cluster.disconnect({ uid: 'ann' }), 1)
    assert.ok(
      stage.signals.every(({ aborted }) => aborted),
      'the signals of running handlers abort with the kick, before the socket closes',
    )
    await stage.settle()
    assert.equal((await client.closed).code, 4403)
    assert.equal(stage.begun.length, concurrency)
  })

test('no handler begins for messages of a client whose token has expired', async () => {
  await using stage = await Stage.start()
  const client = await stage.test.connect('/ws?expiresIn=2000')
  // The token may expire before all of them have arrived.
  for (let n = 0; n < SENT; n++) client.send(`message ${n}`)
  assert.equal((await client.closed).code, 4401)
  assert.ok(stage.signals.every(({ aborted }) => aborted))
  await stage.settle()
  assert.ok(stage.begun.length <= 1)
})

test('no handler begins for messages of a client that was closed for flooding', async () => {
  await using stage = await Stage.start({ maxMessagesPerSecond: SENT / 5 })
  const client = await stage.crowd()
  for (let n = 0; n < 4 * SENT; n++) client.send('one too many')
  assert.equal((await client.closed).code, 1008)
  assert.equal(stage.signals[0]?.aborted, true)
  await stage.settle()
  assert.deepEqual(stage.begun, ['message 0'])
})

test('no handler begins for messages of a client that was closed for reading too slowly', async () => {
  await using stage = await Stage.start({ maxBuffered: 1 })
  const client = await stage.crowd()
  client.socket.pause()
  const isClosed = (): boolean => stage.signals[0]?.aborted === true
  const large = 'x'.repeat(2 ** 20)
  while (!isClosed()) {
    stage.test.server.local.sendToAll(large)
    await new Promise(setImmediate)
  }
  client.socket.resume()
  await stage.settle()
  assert.equal((await client.closed).code, 4408)
  assert.deepEqual(stage.begun, ['message 0'])
})

test('no handler begins for messages that a client sent during its open hook, if it was disconnected meanwhile', async () => {
  await using stage = await Stage.start({ open: (_ctx, held) => held })
  const client = await stage.crowd()
  await stage.test.server.cluster.disconnect({ uid: 'ann' }, 4000, 'not now')
  await stage.settle()
  assert.equal((await client.closed).code, 4000)
  assert.deepEqual(stage.begun, [])
})

test('a handler that disconnects its own client is the last one, even if more messages came in the same packet', async () => {
  const begun: string[] = []
  const module = defineModule('/ws', {
    message({ raw, connection, signal }) {
      begun.push(String(raw))
      if (raw !== 'quit') return
      connection.disconnect()
      assert.equal(signal.aborted, true)
    },
  })
  await using server = await startTestServer({ modules: [module] })
  const client = await server.connect('/ws')
  client.socket.send('hi')
  for (const message of ['quit', 'more', 'and more']) client.socket.send(message)
  assert.equal((await client.closed).code, 4403)
  assert.deepEqual(begun, ['hi', 'quit'])
})

test('a client whose queue is full still learns that it was disconnected', async () => {
  await using stage = await Stage.start({ maxPending: 5 })
  const client = await stage.test.connect('/ws')
  for (let n = 0; n < SENT; n++) client.send(Buffer.alloc(64 * 1024))
  await until('a handler is at work', () => stage.begun.length === 1, PATIENCE)
  await stage.test.server.cluster.disconnect({ uid: 'ann' })
  assert.equal((await client.closed).code, 4403)
  await stage.settle()
  assert.equal(stage.begun.length, 1)
})

test('a signal that is first read after its client was disconnected is already aborted', async () => {
  const aborted: boolean[] = []
  const module = defineModule('/ws', { close: ({ signal }) => void aborted.push(signal.aborted) })
  await using server = await startTestServer({ modules: [module] })
  const client = await server.connect('/ws')
  const [connection] = server.server.local
  connection!.disconnect()
  aborted.push(connection!.signal.aborted)
  await client.closed
  await until('the close hook has run', () => aborted.length === 2, PATIENCE)
  assert.deepEqual(aborted, [true, true])
})

test('all messages of a client that closes by itself are handled', async () => {
  await using stage = await Stage.start()
  const client = await stage.crowd()
  client.close()
  await client.closed
  await stage.settle()
  assert.equal(stage.begun.length, SENT)
})

test('a server that closes still handles the messages that it has received', async () => {
  await using stage = await Stage.start()
  const client = await stage.crowd()
  const closed = stage.test.server.close({ timeout: 60_000 })
  assert.equal((await client.closed).code, 1001)
  await stage.settle()
  await closed
  assert.equal(stage.begun.length, SENT)
})

test('no handler begins for a client that was disconnected while a middleware or a schema was awaited', async () => {
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const [waiting, begun, refused]: [string[], string[], string[]] = [[], [], []]
  const wait = async (name: string): Promise<void> => {
    waiting.push(name)
    await held
  }
  const run = ({ command, raw }: MessageContext): void => void begun.push(command || String(raw))
  const slowly: Middleware<MessageContext> = async (_ctx, next) => {
    await wait('middleware')
    await next().catch((error: unknown) => refused.push((error as FlotillaError).code))
  }
  const validate = async (value: unknown): Promise<{ value: unknown }> => {
    await wait('schema')
    return { value }
  }
  const modules = [
    defineModule('/commands', {
      concurrency: 2,
      commands: {
        guarded: { middleware: [slowly], run },
        checked: { data: { '~standard': { version: 1, vendor: 'test', validate } }, run },
      },
    }),
    defineModule('/messages', { middleware: { message: [slowly] }, message: run }),
  ]
  await using server = await startTestServer({ modules })
  const commands = await server.connect('/commands')
  for (const cmd of ['guarded', 'checked']) commands.send({ cmd })
  const messages = await server.connect('/messages')
  messages.send('hi')
  await until('all of them wait', () => waiting.length === 3, PATIENCE)
  assert.equal(await server.server.cluster.disconnect({ all: true }), 2)
  letGo()
  await Promise.all([commands.closed, messages.closed])
  await server.close()
  assert.deepEqual(begun, [])
  assert.deepEqual(refused, ['FLT_CLOSED', 'FLT_CLOSED'])
})
