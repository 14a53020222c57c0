import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { ClientConnection } from '../../src/connection/client-connection.ts'
import { Hub } from '../../src/delivery/hub.ts'
import { connectionId, newProcessId } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { createServer, defineModule, type ServerOptions } from '../../src/index.ts'
import { newCounters } from '../../src/outbound/backlog.ts'
import { Flusher } from '../../src/outbound/flusher.ts'
import { OutboundMessage } from '../../src/outbound/outbound-message.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { connect, type ConnectOptions } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawFrame } from '../support/raw-frame.ts'
import { StreamTransport } from '../support/stream-transport.ts'

const echo = defineModule('/echo', { message: (ctx) => void ctx.connection.send(ctx.raw) })

function start(options: Partial<ServerOptions> = { compression: true }): Promise<TestServer> {
  return startTestServer({ modules: [echo], ...options })
}

const text = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: `Jürgen ${id} 🚢`, price: id * 7 })))
const OFFER = 'permessage-deflate; client_max_window_bits'
const offering = (offer = OFFER): Record<string, string> => ({ 'Sec-WebSocket-Extensions': offer })
const TAIL = Buffer.from([0, 0, 0xff, 0xff])

function deflate(data: string | Uint8Array): Buffer {
  return deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -TAIL.length)
}

function inflate({ payload }: RawFrame): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })
}

test('messages stay plain if the client does not offer compression, or the server does not compress', async () => {
  for (const [compression, perMessageDeflate] of [
    [false, true],
    [true, false],
  ] as const) {
    await using server = await start({ compression })
    const client = await connect(server.url, { path: '/echo', perMessageDeflate })
    assert.equal(client.socket.extensions, '')
    client.send(text)
    assert.equal(await client.next(), text)
  }
})

test('texts and bytes are compressed in both directions, and arrive as they were sent', async (t) => {
  await using server = await start({ compression: { threshold: 0 } })
  const clients: Record<string, ConnectOptions['perMessageDeflate']> = {
    'with the offer of ws': true,
    'with a smaller window for its own messages': { clientMaxWindowBits: 10 },
    'without a choice of windows': { clientMaxWindowBits: false as unknown as number },
    'without context': { clientNoContextTakeover: true, serverNoContextTakeover: true },
  }
  for (const [name, perMessageDeflate] of Object.entries(clients)) {
    await t.test(name, async () => {
      const client = await connect(server.url, { path: '/echo', perMessageDeflate: perMessageDeflate! })
      assert.equal(client.socket.extensions, 'permessage-deflate')
      for (const message of [
        text,
        '',
        'x',
        'é'.repeat(40_000),
        Buffer.from(text),
        Buffer.alloc(70_000),
        Buffer.alloc(0),
      ]) {
        client.send(message)
        assert.deepEqual(await client.next(), message)
      }
    })
  }
})

test('the answer to an offer of compression', async (t) => {
  await using server = await start()
  const agreed = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
  const offers: [offer: string, answer: RegExp | undefined][] = [
    ['permessage-deflate', /./],
    [OFFER, /./],
    ['permessage-deflate; server_max_window_bits=15', /server_max_window_bits=15/],
    ['permessage-deflate; server_max_window_bits=9, permessage-deflate', /./],
    ['permessage-deflate; client_max_window_bits=9', /client_max_window_bits=9/],
    ['permessage-deflate; server_max_window_bits=9', undefined],
    ['permessage-deflate; server_max_window_bits=7', undefined],
    ['permessage-deflate; strange=1', undefined],
    ['x-webkit-deflate-frame', undefined],
  ]
  for (const [offer, answer] of offers) {
    await t.test(offer, async () => {
      using client = await RawClient.connect(server.url, '/echo', offering(offer))
      assert.match(client.answer, /^HTTP\/1\.1 101 /, 'nobody is refused for an offer')
      const names = (line: string): string[] => line.split('; ').filter((name) => !name.includes('_max_'))
      assert.deepEqual(names(client.extensions ?? '').toSorted(), answer ? names(agreed).toSorted() : [''])
      assert.match(client.extensions ?? '', answer ?? /^$/)
      client.send(text)
      const frame = await client.next()
      assert.equal(frame.rsv1, answer !== undefined)
      assert.equal((answer ? inflate(frame) : frame.payload).toString(), text)
    })
  }
})

test('the answer to a declined offer keeps its headers and its subprotocol', async () => {
  const module = defineModule('/ws', {
    handshake(ctx) {
      ctx.protocol = 'chat'
      ctx.headers.set('x-room', 'lobby')
    },
  })
  await using server = await start({ modules: [module], compression: true })
  for (const offer of [OFFER, 'permessage-deflate; server_max_window_bits=9']) {
    using client = await RawClient.connect(server.url, '/ws', { ...offering(offer), 'Sec-WebSocket-Protocol': 'chat' })
    assert.match(client.answer, /x-room: lobby/)
    assert.match(client.answer, /Sec-WebSocket-Protocol: chat/)
  }
})

test('a message below the threshold, or one that would not shrink, is sent uncompressed', async () => {
  await using server = await start({ compression: { threshold: 100 } })
  using client = await RawClient.connect(server.url, '/echo', offering())
  const incompressible = Buffer.from(Array.from({ length: 200 }, (_, index) => (index * index * 7919) % 251))
  const sent: [string | Buffer, boolean][] = [
    ['a'.repeat(99), false],
    ['a'.repeat(100), true],
    [deflate(incompressible), false],
  ]
  for (const [message, isCompressed] of sent) {
    client.send(message, { opcode: 2 })
    assert.equal((await client.next()).rsv1, isCompressed)
  }
})

test('a broadcast is compressed once, and everyone gets the same bytes', () => {
  const hub = new Hub()
  const flusher = new Flusher()
  const written: Record<'deflated' | 'plain', Set<Buffer>> = { deflated: new Set(), plain: new Set() }
  for (let index = 0; index < 1_000; index++) {
    const kind = index % 2 === 0 ? 'deflated' : 'plain'
    const connection = newConnection(flusher, index)
    const sink = new Sink((bytes) => written[kind].add(bytes))
    connection.opened(new StreamTransport(sink, kind === 'deflated' ? 1024 : undefined))
    hub.add(connection)
  }
  const message = new OutboundMessage(encodePayload(text))
  assert.equal(
    hub.writeToAll(message, () => false),
    1_000,
  )
  flusher.flush()
  assert.deepEqual([...written.plain], [message.frame.bytes])
  assert.deepEqual([written.deflated.size, written.plain.size], [1, 1])
  const [bytes] = written.deflated
  assert(bytes !== undefined && bytes.length < message.frame.bytes.length / 2)

  written.deflated.clear()
  written.plain.clear()
  for (const each of [text, 'short', text]) hub.writeToAll(new OutboundMessage(encodePayload(each)), () => false)
  flusher.flush()
  assert.deepEqual(
    [written.deflated.size, written.plain.size],
    [1, 1],
    'a run of messages is joined once for each encoding',
  )
})

test('bufferedAmount counts the compressed bytes', () => {
  const connection = newConnection(new Flusher(), 1)
  connection.opened(new StreamTransport(new Sink(() => {}), 1024))
  connection.send(text)
  assert(connection.bufferedAmount > 0 && connection.bufferedAmount < text.length / 2)
})

test('a compressed message may come in fragments, with a ping between them', async () => {
  await using server = await start()
  using client = await RawClient.connect(server.url, '/echo', offering())
  const deflated = deflate(text)
  client.send(deflated.subarray(0, 100), { fin: false, rsv1: true })
  client.send('hi', { opcode: 9 })
  client.send('', { fin: false, opcode: 0 })
  client.send(deflated.subarray(100), { opcode: 0 })
  const pong = await client.next()
  assert.deepEqual([pong.opcode, pong.payload.toString()], [10, 'hi'])
  assert.equal(inflate(await client.next()).toString(), text)
})

test('many small compressed messages in one chunk are all read, in order, with plain ones between', async () => {
  await using server = await start()
  using client = await RawClient.connect(server.url, '/echo', offering())
  const numbers = Array.from({ length: 5_000 }, (_, index) => String(index))
  for (const number of numbers)
    client.send(Number(number) % 3 ? deflate(number) : number, { rsv1: Number(number) % 3 > 0 })
  for (const number of numbers) assert.equal((await client.next()).payload.toString(), number)
})

test('a message whose last block has the bit BFINAL set is read as well', async () => {
  await using server = await start()
  using client = await RawClient.connect(server.url, '/echo', offering())
  client.send(Buffer.concat([deflateRawSync('final'), Buffer.alloc(1)]), { rsv1: true })
  assert.equal((await client.next()).payload.toString(), 'final')
})

test('maxPayload limits the inflated message', async () => {
  await using server = await start({ compression: true, maxPayload: 10_000 })
  const bomb = deflate(Buffer.alloc(10 * 2 ** 20))
  assert(bomb.length > 10_000, 'ten MiB, refused by their compressed size')
  for (const [size, code] of [
    [10_001, 1009],
    [5 * 2 ** 20, 1009],
    [10 * 2 ** 20, 1009],
  ] as const) {
    using client = await RawClient.connect(server.url, '/echo', offering())
    client.send(deflate(Buffer.alloc(size)), { rsv1: true, opcode: 2 })
    assert.equal(await client.closeCode(), code)
  }
  using client = await RawClient.connect(server.url, '/echo', offering())
  client.send(deflate(Buffer.alloc(10_000)), { rsv1: true, opcode: 2 })
  assert.equal(inflate(await client.next()).length, 10_000)
})

test('broken messages close the connection, and no part of them is delivered', async (t) => {
  const seen: unknown[] = []
  const module = defineModule('/ws', { message: (ctx) => void seen.push(ctx.raw) })
  await using server = await start({ modules: [module], compression: true })
  const deflated = deflate(text)
  const cases: [name: string, bytes: Buffer, code: number][] = [
    ['cut off by one byte', deflated.subarray(0, -1), 1007],
    ['cut off by five bytes', deflated.subarray(0, -5), 1007],
    ['cut off in the middle', deflated.subarray(0, deflated.length / 2), 1007],
    ['cut off near the start', deflated.subarray(0, 3), 1007],
    ['no deflate data', Buffer.from('hello hello hello'), 1007],
    ['invalid UTF-8 in a text', deflate(Buffer.from([0xc3, 0x28])), 1007],
  ]
  for (const [name, bytes, code] of cases) {
    await t.test(name, async () => {
      using client = await RawClient.connect(server.url, '/ws', offering())
      client.send(bytes, { rsv1: true })
      assert.equal(await client.closeCode(), code)
    })
  }
  for (const length of [1, 2, 3, 5, 8, 100, deflated.length - 2]) {
    using client = await RawClient.connect(server.url, '/ws', offering())
    client.send(deflated.subarray(0, length), { rsv1: true, opcode: 2 })
    assert.equal(await client.closeCode(), 1007, `the first ${length} bytes`)
  }
  await t.test('RSV1 in a continuation frame', async () => {
    using client = await RawClient.connect(server.url, '/ws', offering())
    client.send(deflated.subarray(0, 9), { fin: false, rsv1: true })
    client.send(deflated.subarray(9), { rsv1: true, opcode: 0 })
    assert.equal(await client.closeCode(), 1002)
  })
  await t.test('RSV1 without an agreement on compression', async () => {
    for (const headers of [{}, offering('permessage-deflate; server_max_window_bits=9')]) {
      using client = await RawClient.connect(server.url, '/ws', headers)
      client.send(deflated, { rsv1: true })
      assert.equal(await client.closeCode(), 1002)
    }
  })
  assert.deepEqual(seen, [])
})

test('a client that disconnects in the middle of a message does no harm', async () => {
  await using server = await start()
  for (let count = 0; count < 20; count++) {
    using client = await RawClient.connect(server.url, '/echo', offering())
    client.send(deflate(text).subarray(0, 50), { fin: false, rsv1: true })
    client.send(deflate(text), { rsv1: true, opcode: 0 })
  }
  const client = await connect(server.url, { path: '/echo' })
  client.send('still here')
  assert.equal(await client.next(), 'still here')
})

test('the option takes true, false or a threshold', () => {
  for (const compression of [
    1,
    'on',
    null,
    { treshold: 1 },
    { threshold: -1 },
    { threshold: '1' },
    { threshold: 1.5 },
  ]) {
    const options = { modules: [echo], compression } as unknown as ServerOptions
    assert.throws(() => createServer(options), {
      code: 'FLT_BAD_OPTION',
      message: /^compression is .*give true, false/,
    })
  }
})

const process = newProcessId()

function newConnection(flusher: Flusher, sequence: number): ClientConnection {
  const meta = { ip: '127.0.0.1', port: 1, path: '/', pattern: '/', openedAt: 0 }
  const init = { params: {}, session: {}, meta, request: { url: '/', rawHeaders: [] } }
  const rules = { maxBuffered: 2 ** 20, overflow: 'close', counters: newCounters() } as const
  return new ClientConnection(connectionId(process, 0, sequence), init, flusher, rules)
}

/** A socket that passes on the same buffer objects that are written to it. */
class Sink extends Duplex {
  readonly #take: (bytes: Buffer) => void

  constructor(take: (bytes: Buffer) => void) {
    super()
    this.#take = take
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#take(bytes)
    done()
  }
}
