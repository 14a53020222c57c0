// RFC 6455 §7: how a connection ends if the closing handshake is not completed, and how the server itself closes and
// pings.
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { defineModule, type ServerOptions } from '../../src/index.ts'
import { startTestServer, type TestServer } from '../../src/testing.ts'
import { RawClient } from '../support/raw-client.ts'
import { Opcode, rawFrame } from '../support/raw-frame.ts'
import { until } from '../support/until.ts'
import { CLOSE, closing, fragments, someBytes } from './case.ts'
import { close, describeFrame, text } from './transcript.ts'

/** The code and reason that the close hook got, by the name in the path. */
const ended = new Map<string, { code: number; reason: string }>()
const received = new Map<string, unknown[]>()

const observed = defineModule('/observed/:name', {
  message(ctx) {
    received.set(ctx.params.name, [...(received.get(ctx.params.name) ?? []), ctx.raw])
    return ctx.raw
  },
  close: (ctx) => void ended.set(ctx.params.name, { code: ctx.code, reason: ctx.reason }),
})

/** A client asks for a number of messages; the server sends them, then closes. */
const leaving = defineModule('/leaving', {
  message({ connection, raw }) {
    for (let index = 0; index < Number(raw); index++) connection.send(`message ${index}`)
    connection.disconnect(4001, 'bye')
    for (let index = 0; index < 5; index++) connection.send('too late')
  },
})

/** Answers only after the client's close frame has arrived. */
const late = defineModule('/late', {
  async message({ connection }) {
    await until('the client closes', () => !connection.isOpen)
    connection.send('too late')
  },
})

async function start(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const server = await startTestServer({ modules: [observed, leaving, late], pingInterval: 0, ...options })
  after(() => server.close())
  return server
}

const server = await start()
const { url } = server

async function transcript(client: RawClient): Promise<string[]> {
  await client.ended()
  return client.frames.map(describeFrame)
}

async function endOf(name: string): Promise<{ code: number; reason: string }> {
  await until(`${name} has ended`, () => ended.has(name))
  return ended.get(name)!
}

describe('7.10 the code and reason that the close hook gets', { concurrency: true }, () => {
  const cases: [name: string, act: (client: RawClient) => void, code: number, reason?: string][] = [
    ['code', (client) => client.write(closing(1001)), 1001],
    ['code-and-reason', (client) => client.write(closing(4000, 'enough')), 4000, 'enough'],
    ['no-code', (client) => client.send('', { opcode: Opcode.close }), 1005],
    ['fin', (client) => client.end(), 1006],
    ['rst', (client) => client.reset(), 1006],
    [
      'fin-in-a-frame',
      (client) => {
        client.write(rawFrame('never whole').subarray(0, 9))
        client.end()
      },
      1006,
    ],
    [
      'fin-in-a-message',
      (client) => {
        client.send('frag', { fin: false })
        client.end()
      },
      1006,
    ],
    [
      'rst-in-a-frame',
      (client) => {
        client.write(rawFrame(someBytes(100_000)).subarray(0, 70_000))
        client.reset()
      },
      1006,
    ],
  ]
  for (const [name, act, code, reason = ''] of cases) {
    it(`7.10 ${name.replaceAll('-', ' ')}: ${code}`, async () => {
      using client = await RawClient.connect(url, `/observed/${name}`)
      act(client)
      assert.deepEqual(await endOf(name), { code, reason })
    })
  }

  it('7.10 half a message is never handled', async () => {
    for (const name of ['fin-in-a-frame', 'fin-in-a-message', 'rst-in-a-frame']) {
      await endOf(name)
      assert.equal(received.get(name), undefined)
    }
  })
})

describe('7.11 TCP ends without a close frame', { concurrency: true }, () => {
  it('7.11 FIN is answered with FIN, and with no frame', async () => {
    using client = await RawClient.connect(url, '/observed/half-closed')
    client.end()
    assert.deepEqual(await transcript(client), [])
    assert.equal((await endOf('half-closed')).code, 1006)
  })

  it('7.11 whole messages before a FIN are handled', async () => {
    using client = await RawClient.connect(url, '/observed/before-fin')
    for (const message of ['a', 'b']) client.send(message)
    client.end()
    assert.equal((await endOf('before-fin')).code, 1006)
    assert.deepEqual(received.get('before-fin'), ['a', 'b'])
  })

  it('7.11 a close frame and a FIN in one packet are answered with both', async () => {
    using client = await RawClient.connect(url, '/observed/close-and-fin')
    client.write(CLOSE)
    client.end()
    assert.deepEqual(await transcript(client), [close(1000)])
    assert.equal((await endOf('close-and-fin')).code, 1000)
  })

  it('7.11 a hundred clients that reset in the middle of anything leave the server well', async () => {
    const halves = [rawFrame('half').subarray(0, 3), ...fragments(['a', 'b']), rawFrame(someBytes(70_000)), CLOSE]
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        using client = await RawClient.connect(url, '/observed/reset')
        client.write(halves[index % halves.length]!)
        client.reset()
      }),
    )
    using client = await RawClient.connect(url, '/observed/after-resets')
    client.send('well')
    assert.equal(describeFrame(await client.next()), text('well'))
  })
})

describe('7.12 the server closes', { concurrency: true }, () => {
  it('7.12 earlier messages go first, and nothing follows the close frame', async () => {
    for (const count of [0, 1, 1_000]) {
      using client = await RawClient.connect(url, '/leaving')
      client.send(String(count))
      await client.waitFor(count + 1)
      client.write(closing(4001, 'bye'))
      const messages = Array.from({ length: count }, (_, index) => text(`message ${index}`))
      assert.deepEqual(await transcript(client), [...messages, close(4001, 'bye')])
    }
  })

  it('7.12 nothing follows the close frame, even during a push to everyone', async () => {
    const busy = await start()
    using client = await RawClient.connect(busy.url, '/leaving')
    client.send('10')
    const stop = new AbortController()
    const pushing = (async () => {
      while (!stop.signal.aborted) await busy.server.cluster.push({ all: true }, 'news')
    })()
    await client.closeCode()
    await pause(20)
    client.write(closing(4001))
    const frames = await transcript(client)
    stop.abort()
    await pushing
    assert.equal(frames.at(-1), close(4001, 'bye'))
    assert.deepEqual(
      frames.filter((frame) => frame.startsWith('text "message')),
      Array.from({ length: 10 }, (_, index) => text(`message ${index}`)),
    )
  })

  it('7.12 a client that closes while many messages wait for it gets all of them first', async () => {
    const patient = await start({ maxBuffered: 64 * 2 ** 20 })
    using client = await RawClient.connect(patient.url, '/late')
    const [connection] = patient.server.local
    client.pause()
    const messages = Array.from({ length: 300 }, (_, index) => `${index} `.repeat(10_000))
    for (const message of messages) connection!.send(message)
    await until('the kernel has taken what it can', () => connection!.bufferedAmount > 2 ** 20)
    client.write(CLOSE)
    await pause(50)
    client.resume()
    assert.deepEqual(await transcript(client), [...messages.map((message) => text(message)), close(1000)])
  })

  it('7.12 an answer that comes after the client has closed is not sent', async () => {
    using client = await RawClient.connect(url, '/late')
    client.send('x')
    client.write(CLOSE)
    assert.deepEqual(await transcript(client), [close(1000)])
  })

  it('7.12 messages that come after the close frame of a client are neither handled nor answered', async () => {
    using client = await RawClient.connect(url, '/observed/late-messages')
    const [connection] = [...server.server.local].filter(
      ({ params }) => 'name' in params && params.name === 'late-messages',
    )
    connection!.disconnect(4002)
    assert.equal(await client.closeCode(), 4002)
    client.send('late')
    client.send('', { opcode: Opcode.ping })
    client.write(closing(4002))
    assert.deepEqual(await transcript(client), [close(4002)])
    await endOf('late-messages')
    assert.equal(received.get('late-messages'), undefined)
  })

  it('7.12 if both sides close at once, each sends one close frame', async () => {
    using client = await RawClient.connect(url, '/leaving')
    client.send('1')
    client.write(CLOSE)
    assert.deepEqual(await transcript(client), [text('message 0'), close(4001, 'bye')])
  })

  it('7.12 a client that does not answer the close frame is cut off after two unanswered pings', async () => {
    const strict = await start({ pingInterval: 100 })
    using client = await RawClient.connect(strict.url, '/leaving')
    client.send('1')
    assert.equal(await client.closeCode(), 4001)
    await client.ended()
    await until('it is forgotten', () => strict.server.local.size === 0)
  })

  it('7.12 a server that closes sends 1001 to everyone, after earlier messages', async () => {
    const short = await start()
    using client = await RawClient.connect(short.url, '/observed/goodbye')
    short.server.local.sendToAll('last words')
    const closed = short.server.close()
    assert.equal(await client.closeCode(), 1001)
    client.write(closing(1001))
    await closed
    assert.deepEqual(await transcript(client), [text('last words'), close(1001, 'the node is going away')])
  })
})

describe('2.15 the server pings', { concurrency: true }, () => {
  it('2.15 a client that answers with pongs or with messages stays, and a silent one is cut off without a close frame', async () => {
    const pinging = await start({ pingInterval: 500 })
    const [ponging, talking, silent] = await Promise.all(
      ['ponging', 'talking', 'silent'].map((name) => RawClient.connect(pinging.url, `/observed/${name}`)),
    )
    const answers = setInterval(() => {
      ponging!.send('', { opcode: Opcode.pong })
      talking!.send('x')
    }, 50)
    await silent!.ended()
    await pause(300)
    clearInterval(answers)
    assert.deepEqual(new Set(silent!.frames.map(describeFrame)), new Set(['ping ""']))
    assert.equal((await endOf('silent')).code, 1006)
    assert.deepEqual([ponging!.hasEnded, talking!.hasEnded], [false, false])
    for (const client of [ponging, talking, silent]) client![Symbol.dispose]()
  })

  it('2.15 pings of the server are empty, final and not masked, and come between messages', async () => {
    const pinging = await start({ pingInterval: 1_000 })
    using client = await RawClient.connect(pinging.url, '/observed/pinged')
    client.send('before')
    await client.waitFor(2)
    client.send('after')
    await until('the echo comes', () => client.frames.some((frame) => describeFrame(frame) === text('after')))
    assert.deepEqual(new Set(client.frames.map(describeFrame)), new Set([text('before'), 'ping ""', text('after')]))
  })
})
