// RFC 6455 §4.1, §4.2, §4.4: the opening handshake. RFC 9110 and RFC 9112: rules of HTTP itself.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { defineModule } from '../../src/index.ts'
import { startTestServer } from '../../src/testing.ts'
import { RawClient } from '../support/raw-client.ts'
import { rawFrame } from '../support/raw-frame.ts'
import { until } from '../support/until.ts'
import { CLOSE, fragments, ping } from './case.ts'
import { startEcho } from './echo.ts'
import { close, describeFrame, pong, text } from './transcript.ts'

const { url } = await startEcho({ compression: true })

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

type Field = readonly [name: string, value: string]

const FIELDS: readonly Field[] = [
  ['Host', 'server.example.com'],
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Key', KEY],
  ['Sec-WebSocket-Version', '13'],
]

interface RequestInit {
  readonly line?: string
  readonly fields?: readonly Field[]
  readonly body?: string
}

function requestOf({ line = 'GET /echo HTTP/1.1', fields = FIELDS, body = '' }: RequestInit = {}): string {
  return `${[line, ...fields.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n${body}`
}

const without = (name: string): Field[] => FIELDS.filter(([field]) => field !== name)
const plus = (...fields: Field[]): Field[] => [...FIELDS, ...fields]
const changed = (name: string, value: string): Field[] =>
  FIELDS.map(([field, old]): Field => [field, field === name ? value : old])

// ---- requests that are refused

/** Sent after a plain request, which would leave the connection open: the HTTP parser gives up on it. */
const NO_HTTP = '\0'

interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends a request and returns the answer, which must end the connection. */
async function ask(request: string, to = url): Promise<Answer> {
  const socket = await dial(to)
  let received = ''
  socket.setEncoding('latin1').on('data', (data: string) => (received += data))
  socket.write(request, 'latin1')
  await until('the server ends', () => socket.readableEnded || socket.destroyed)
  socket.destroy()
  const end = received.indexOf('\r\n\r\n')
  const head = received.slice(0, end)
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]), head, body: received.slice(end + 4) }
}

async function dial(to = url): Promise<Socket> {
  const socket = connect({ port: Number(new URL(to).port), host: '127.0.0.1', allowHalfOpen: true }).setNoDelay()
  socket.on('error', () => {})
  await until('TCP is up', () => !socket.connecting)
  return socket
}

type Refusal = readonly [name: string, request: RequestInit | string, status: number]

function refusals(title: string, cases: readonly Refusal[]): void {
  describe(title, { concurrency: 16 }, () => {
    for (const [name, request, status] of cases) {
      it(`${name}: ${status}`, async () => {
        const answer = await ask(typeof request === 'string' ? request : requestOf(request))
        assert.equal(answer.status, status, answer.head)
        assert.doesNotMatch(answer.head, /sec-websocket-accept/i)
        const length = /^content-length: (\d+)$/im.exec(answer.head)?.[1]
        if (length !== undefined) assert.equal(answer.body.length, Number(length), 'bytes after the answer')
      })
    }
  })
}

refusals('the request line', [
  ['POST', { line: 'POST /echo HTTP/1.1' }, 400],
  ['HEAD', { line: 'HEAD /echo HTTP/1.1' }, 400],
  ['PUT', { line: 'PUT /echo HTTP/1.1' }, 400],
  ['OPTIONS', { line: 'OPTIONS /echo HTTP/1.1' }, 400],
  ['a method in lower case', { line: 'get /echo HTTP/1.1' }, 400],
  ['HTTP/1.0', { line: 'GET /echo HTTP/1.0' }, 400],
  ['HTTP/0.9', { line: 'GET /echo HTTP/0.9' }, 400],
  ['HTTP/1.2', { line: 'GET /echo HTTP/1.2' }, 400],
  ['HTTP/2.0', { line: 'GET /echo HTTP/2.0' }, 400],
  ['no version of HTTP', { line: 'GET /echo' }, 400],
  ['another protocol', { line: 'GET /echo WS/13' }, 400],
  ['no path', { line: 'GET  HTTP/1.1' }, 400],
  ['a path without a module', { line: 'GET /nowhere HTTP/1.1' }, 404],
  ['a path with a fragment', { line: 'GET /echo#part HTTP/1.1' }, 400],
  ['a path in another case', { line: 'GET /ECHO HTTP/1.1' }, 404],
  ['a space in the path', { line: 'GET /ec ho HTTP/1.1' }, 400],
])

refusals('Host', [
  ['no Host', { fields: without('Host') }, 400],
  ['two equal Hosts', { fields: plus(['Host', 'server.example.com']) }, 400],
  ['two different Hosts', { fields: plus(['host', 'other.example.com']) }, 400],
  ['an empty Host', { fields: changed('Host', '') }, 400],
  ['a list of hosts', { fields: changed('Host', 'a.example.com, b.example.com') }, 400],
  ['a Host with a path', { fields: changed('Host', 'server.example.com/echo') }, 400],
  ['a Host with a user', { fields: changed('Host', 'user@server.example.com') }, 400],
  ['a Host with a port that is not a number', { fields: changed('Host', 'server.example.com:ws') }, 400],
  ['a Host with a space', { fields: changed('Host', 'server example') }, 400],
])

refusals('a body', [
  ['Transfer-Encoding: chunked', { fields: plus(['Transfer-Encoding', 'chunked']), body: '0\r\n\r\n' }, 400],
  [
    'Transfer-Encoding: chunked and data',
    { fields: plus(['Transfer-Encoding', 'chunked']), body: '2\r\nhi\r\n0\r\n\r\n' },
    400,
  ],
  ['Transfer-Encoding: gzip', { fields: plus(['Transfer-Encoding', 'gzip']) }, 400],
  ['Content-Length: 5', { fields: plus(['Content-Length', '5']), body: 'Hello' }, 400],
  ['Content-Length: 5 that never comes', { fields: plus(['Content-Length', '5']) }, 400],
  ['both', { fields: plus(['Content-Length', '5'], ['Transfer-Encoding', 'chunked']), body: '0\r\n\r\n' }, 400],
  ['Content-Length: five', { fields: plus(['Content-Length', 'five']) }, 400],
  ['two lengths', { fields: plus(['Content-Length', '0'], ['Content-Length', '0']) }, 400],
  [
    'POST with 100 KB',
    { line: 'POST /echo HTTP/1.1', fields: plus(['Content-Length', '100000']), body: 'x'.repeat(100_000) },
    400,
  ],
])

refusals('Upgrade', [
  ['another protocol', { fields: changed('Upgrade', 'h2c') }, 400],
  ['a version behind it', { fields: changed('Upgrade', 'websocket/13') }, 400],
  ['a list', { fields: changed('Upgrade', 'websocket, h2c') }, 400],
  ['two of it', { fields: plus(['Upgrade', 'websocket']) }, 400],
])

refusals('Sec-WebSocket-Key', [
  ['none', { fields: without('Sec-WebSocket-Key') }, 400],
  ['an empty one', { fields: changed('Sec-WebSocket-Key', '') }, 400],
  ['two of it', { fields: plus(['Sec-WebSocket-Key', KEY]) }, 400],
  ['15 bytes', { fields: changed('Sec-WebSocket-Key', Buffer.alloc(15).toString('base64')) }, 400],
  ['17 bytes', { fields: changed('Sec-WebSocket-Key', Buffer.alloc(17).toString('base64')) }, 400],
  ['18 bytes', { fields: changed('Sec-WebSocket-Key', Buffer.alloc(18).toString('base64')) }, 400],
  ['without its padding', { fields: changed('Sec-WebSocket-Key', KEY.slice(0, -2)) }, 400],
  ['base64url', { fields: changed('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25-_A==') }, 400],
  ['no base64', { fields: changed('Sec-WebSocket-Key', '!'.repeat(24)) }, 400],
  ['quotes around it', { fields: changed('Sec-WebSocket-Key', `"${KEY}"`) }, 400],
])

refusals('Sec-WebSocket-Version', [
  ['none', { fields: without('Sec-WebSocket-Version') }, 426],
  ...[
    '',
    '0',
    '7',
    '8',
    '12',
    '14',
    '255',
    '256',
    '-13',
    '+13',
    '013',
    '13.0',
    '0xd',
    '13, 8',
    '8, 13',
    'thirteen',
  ].map((version): Refusal => [`'${version}'`, { fields: changed('Sec-WebSocket-Version', version) }, 426]),
  ['13 twice', { fields: plus(['Sec-WebSocket-Version', '13']) }, 426],
])

it('a 426 names the supported version and the protocol (§4.4, RFC 9110 §15.5.22)', async () => {
  const { head } = await ask(requestOf({ fields: changed('Sec-WebSocket-Version', '8') }))
  assert.match(head, /^sec-websocket-version: 13$/im)
  assert.match(head, /^upgrade: websocket$/im)
})

refusals('Sec-WebSocket-Protocol', [
  ['an empty one', { fields: plus(['Sec-WebSocket-Protocol', '']) }, 400],
  ['a name twice', { fields: plus(['Sec-WebSocket-Protocol', 'chat, chat']) }, 400],
  [
    'a name twice, in two headers',
    { fields: plus(['Sec-WebSocket-Protocol', 'chat'], ['Sec-WebSocket-Protocol', 'chat']) },
    400,
  ],
  ['an empty element', { fields: plus(['Sec-WebSocket-Protocol', 'chat,,superchat']) }, 400],
  ['a comma last', { fields: plus(['Sec-WebSocket-Protocol', 'chat,']) }, 400],
  ['two words', { fields: plus(['Sec-WebSocket-Protocol', 'chat room']) }, 400],
  ['a separator', { fields: plus(['Sec-WebSocket-Protocol', 'chat/1']) }, 400],
  ['another script', { fields: plus(['Sec-WebSocket-Protocol', 'ch\u00e4t']) }, 400],
])

refusals('Sec-WebSocket-Extensions (§9.1: what is malformed fails the connection)', [
  ...[
    '',
    ',',
    ';',
    '=',
    'a;',
    'a; ',
    'a;;b',
    'a b',
    'a; b c',
    'a; =1',
    'a; b=',
    'a; b==1',
    'a; b="',
    'a; b=""',
    'a; b="x',
    'a; b="x y"',
    'a; b="x"y',
    'a; b="x,y"',
    'a; b=x"y"',
    "a; b=\\'",
    'a/1',
    'a; b=1; ;c',
    'a@b',
    'permessage-deflate;;',
    'permessage-deflate; client_max_window_bits=',
    'ä',
  ].map((value): Refusal => [`'${value}'`, { fields: plus(['Sec-WebSocket-Extensions', value]) }, 400]),
  [
    'one header that is well, one that is not',
    { fields: plus(['Sec-WebSocket-Extensions', 'a'], ['Sec-WebSocket-Extensions', 'b;']) },
    400,
  ],
])

refusals('the syntax of headers', [
  ['a folded header', requestOf().replace('Upgrade: websocket', 'Upgrade:\r\n websocket'), 400],
  ['a folded Connection', requestOf().replace('Connection: Upgrade', 'Connection: keep-alive,\r\n\tUpgrade'), 400],
  ['a space before the colon', requestOf().replace('Upgrade:', 'Upgrade :'), 400],
  ['no colon', requestOf().replace('Upgrade: websocket', 'Upgrade websocket'), 400],
  ['a zero in a value', requestOf({ fields: plus(['X-Zero', 'a\0b']) }), 400],
  ['a zero in a name', requestOf({ fields: plus(['X-\0', 'a']) }), 400],
  ['a bare CR in a value', requestOf({ fields: plus(['X-Cr', 'a\rb']) }), 400],
  ['lines that end in LF alone', requestOf().replaceAll('\r\n', '\n'), 400],
  ['a space before the first header', requestOf().replace('Host:', ' Host:'), 400],
  ['a head of 20 KB in one header', requestOf({ fields: plus(['X-Large', 'x'.repeat(20_000)]) }), 431],
  [
    'a head of 20 KB in many',
    requestOf({ fields: plus(...Array.from({ length: 500 }, (_, n): Field => [`X-${n}`, 'x'.repeat(40)])) }),
    431,
  ],
  ['a path of 20 KB', { line: `GET /${'x'.repeat(20_000)} HTTP/1.1` }, 431],
  ['TLS', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', 400],
])

describe('a request without an upgrade is plain HTTP: 426', { concurrency: true }, () => {
  const cases: [name: string, fields: readonly Field[]][] = [
    ['no Upgrade', without('Upgrade')],
    ['an empty Upgrade', changed('Upgrade', '')],
    ['no Connection', without('Connection')],
    ['Connection: keep-alive', changed('Connection', 'keep-alive')],
    ['a Connection that only contains upgrade', changed('Connection', 'not-upgrade')],
  ]
  for (const [name, fields] of cases) {
    it(name, async () => {
      const { status } = await ask(requestOf({ fields }) + NO_HTTP)
      assert.equal(status, 426)
    })
  }
})

// ---- requests that are accepted

describe('accepted requests get a 101, and nothing but frames after it', { concurrency: 16 }, () => {
  const cases: [name: string, request: RequestInit | string][] = [
    ['a plain request', {}],
    ['a query', { line: 'GET /echo?a=1&b=2 HTTP/1.1' }],
    ['an absolute target (RFC 9112 §3.2.2)', { line: 'GET http://server.example.com/echo HTTP/1.1' }],
    ['an absolute target with the scheme ws', { line: 'GET ws://server.example.com/echo HTTP/1.1' }],
    ['headers in the opposite order', { fields: FIELDS.toReversed() }],
    ['header names in upper case', { fields: FIELDS.map(([name, value]): Field => [name.toUpperCase(), value]) }],
    ['header names in lower case', { fields: FIELDS.map(([name, value]): Field => [name.toLowerCase(), value]) }],
    ['Upgrade in upper case', { fields: changed('Upgrade', 'WEBSOCKET') }],
    ['Upgrade in mixed case', { fields: changed('Upgrade', 'WebSocket') }],
    ['Connection in lower case', { fields: changed('Connection', 'upgrade') }],
    ['Connection: keep-alive, Upgrade', { fields: changed('Connection', 'keep-alive, Upgrade') }],
    ['Connection: Upgrade, close', { fields: changed('Connection', 'Upgrade, close') }],
    ['Connection: keep-alive,Upgrade without a space', { fields: changed('Connection', 'keep-alive,Upgrade') }],
    ['Connection in two headers', { fields: [['Connection', 'keep-alive'], ...FIELDS] }],
    ['spaces around values', { fields: FIELDS.map(([name, value]): Field => [name, `   ${value}   `]) }],
    ['tabs around a value', { fields: changed('Sec-WebSocket-Key', `\t${KEY}\t`) }],
    ['no space after the colon', requestOf().replaceAll(': ', ':')],
    ['an empty line before the request (RFC 9112 §2.2)', `\r\n${requestOf()}`],
    ['a Host with a port', { fields: changed('Host', 'server.example.com:18308') }],
    ['a Host that is an address', { fields: changed('Host', '127.0.0.1:80') }],
    ['a Host that is an IPv6 address', { fields: changed('Host', '[::1]:80') }],
    ['a Host with an underscore', { fields: changed('Host', 'my_host') }],
    ['Content-Length: 0', { fields: plus(['Content-Length', '0']) }],
    ['Expect: 100-continue, which is ignored', { fields: plus(['Expect', '100-continue']) }],
    ['an Origin', { fields: plus(['Origin', 'https://example.com']) }],
    ['an Origin that is null', { fields: plus(['Origin', 'null']) }],
    ['unknown headers', { fields: plus(['X-One', '1'], ['x-two', ''], ['X_Three', 'ä']) }],
    ['ninety more headers', { fields: plus(...Array.from({ length: 90 }, (_, n): Field => [`X-${n}`, 'x'])) }],
    ['cookies', { fields: plus(['Cookie', 'a=1; b=2'], ['Cookie', 'c=3']) }],
    ['subprotocols that the server does not know', { fields: plus(['Sec-WebSocket-Protocol', 'chat, superchat']) }],
    ['unknown extensions', { fields: plus(['Sec-WebSocket-Extensions', 'x-foo; a=1; b="2", x-bar']) }],
  ]
  for (const [name, request] of cases) {
    it(name, async () => {
      const { head, rest } = await open(typeof request === 'string' ? request : requestOf(request))
      const lines = head.split('\r\n')
      assert.equal(lines[0], 'HTTP/1.1 101 Switching Protocols')
      assert.deepEqual(
        lines
          .slice(1)
          .map((line) => line.toLowerCase())
          .toSorted(),
        ['connection: upgrade', `sec-websocket-accept: ${acceptOf(KEY).toLowerCase()}`, 'upgrade: websocket'],
      )
      assert.equal(rest.toString('hex'), Buffer.from('\x81\x02hi', 'latin1').toString('hex'))
    })
  }
})

/** Sends the request and then `hi`, and returns the head of the answer and the bytes after it. */
async function open(request: string): Promise<{ head: string; rest: Buffer }> {
  const socket = await dial()
  let received = Buffer.alloc(0)
  socket.on('data', (data) => (received = Buffer.concat([received, data])))
  socket.write(request, 'latin1')
  const endOfHead = (): number => received.indexOf('\r\n\r\n')
  await until('the answer comes', () => endOfHead() >= 0 || socket.readableEnded)
  socket.write(rawFrame('hi'))
  await until('the echo comes', () => received.length >= endOfHead() + 8 || socket.readableEnded)
  socket.destroy()
  return { head: received.toString('latin1', 0, endOfHead()), rest: received.subarray(endOfHead() + 4) }
}

function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64')
}

describe('Sec-WebSocket-Accept', () => {
  it("the RFC's own example (§1.3)", async () => {
    const { head } = await open(requestOf())
    assert.match(head, /^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/m)
  })

  it('twenty keys', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const key = Buffer.alloc(16, seed * 13 + 1).toString('base64')
      const { head } = await open(requestOf({ fields: changed('Sec-WebSocket-Key', key) }))
      assert.equal(/^Sec-WebSocket-Accept: (.*)$/m.exec(head)?.[1], acceptOf(key))
    }
  })
})

describe('Sec-WebSocket-Protocol of the answer (§4.2.2)', async () => {
  const choosing = defineModule('/choosing', {
    handshake(ctx) {
      const protocol = ctx.url.searchParams.get('protocol')
      if (protocol !== null) ctx.protocol = protocol
    },
  })
  const server = await startTestServer({ modules: [choosing] })
  after(() => server.close())
  const cases: [name: string, chosen: string | undefined, offered: string | undefined, answer: string | undefined][] = [
    ['nothing offered, nothing chosen', undefined, undefined, undefined],
    ['offered, nothing chosen', undefined, 'chat', undefined],
    ['the one that was offered', 'chat', 'chat', 'chat'],
    ['the second of three', 'b', 'a, b, c', 'b'],
    ['one of two headers', 'b', 'a, b', 'b'],
  ]
  for (const [name, chosen, offered, answer] of cases) {
    it(`${name}: ${answer ?? 'none'}`, async () => {
      const headers: Record<string, string> = offered === undefined ? {} : { 'Sec-WebSocket-Protocol': offered }
      const path = chosen === undefined ? '/choosing' : `/choosing?protocol=${chosen}`
      using client = await RawClient.connect(server.url, path, headers)
      assert.match(client.answer, /^HTTP\/1\.1 101 /)
      assert.equal(/^sec-websocket-protocol: (.*)$/im.exec(client.answer)?.[1], answer)
    })
  }
  for (const offered of [undefined, 'a, b', 'Chat']) {
    it(`one that was not offered, but ${offered ?? 'none'}, is never answered: 500`, async () => {
      const headers: Record<string, string> = offered === undefined ? {} : { 'Sec-WebSocket-Protocol': offered }
      using client = await RawClient.connect(server.url, '/choosing?protocol=chat', headers)
      assert.match(client.answer, /^HTTP\/1\.1 500 /)
    })
  }
})

describe('headers that modules add never break', async () => {
  const spoiling = { connection: 'close', upgrade: 'h2c', 'content-length': '9', 'transfer-encoding': 'chunked' }
  const headers = { ...spoiling, 'sec-websocket-accept': 'x', 'sec-websocket-protocol': 'x', 'x-well': 'yes' }
  const adding = defineModule('/adding', {
    handshake(ctx) {
      for (const [name, value] of Object.entries(headers)) ctx.headers.set(name, value)
    },
  })
  const refusing = defineModule('/refusing', { handshake: () => new Response('no', { status: 403, headers }) })
  const server = await startTestServer({ modules: [adding, refusing] })
  after(() => server.close())

  it('a 101', async () => {
    using client = await RawClient.connect(server.url, '/adding')
    const lines = client.answer.toLowerCase().split('\r\n').slice(1)
    const own = ['connection: upgrade', 'upgrade: websocket', `sec-websocket-accept: ${acceptOf(KEY).toLowerCase()}`]
    assert.deepEqual(lines.toSorted(), [...own, 'x-well: yes'].toSorted())
  })

  it('a refusal', async () => {
    const { head, body } = await ask(requestOf({ line: 'GET /refusing HTTP/1.1' }), server.url)
    assert.match(head, /^HTTP\/1\.1 403 [^]*x-well: yes/)
    assert.match(head, /^connection: close$/m)
    assert.match(head, /^content-length: 2$/m)
    assert.doesNotMatch(head, /transfer-encoding/)
    assert.equal(body, 'no')
  })
})

// ---- frames with the request, and requests in parts

describe('frames in one packet with the request', { concurrency: true }, () => {
  it('one message', async () => {
    using client = await RawClient.connect(url, '/echo', {}, rawFrame('early'))
    assert.equal(describeFrame(await client.next()), text('early'))
  })

  it('fragments, a ping and a close frame', async () => {
    const early = Buffer.concat([...fragments(['ear', 'ly']), ping('p'), CLOSE])
    using client = await RawClient.connect(url, '/echo', {}, early)
    await client.ended()
    assert.deepEqual(client.frames.map(describeFrame), [pong('p'), text('early'), close(1000)])
  })

  it('half a message, and the rest after the 101', async () => {
    const frame = rawFrame('early')
    using client = await RawClient.connect(url, '/echo', {}, frame.subarray(0, 4))
    client.write(frame.subarray(4))
    assert.equal(describeFrame(await client.next()), text('early'))
  })

  it('a frame that breaks the protocol', async () => {
    using client = await RawClient.connect(url, '/echo', {}, rawFrame('bare', { mask: false }))
    assert.equal(await client.closeCode(), 1002)
  })

  it('200 KB during a slow handshake', async () => {
    const slow = defineModule('/slow', { handshake: () => pause(50), message: (ctx) => ctx.raw })
    const server = await startTestServer({ modules: [slow] })
    after(() => server.close())
    const early = 'x'.repeat(200_000)
    using client = await RawClient.connect(server.url, '/slow', {}, Buffer.concat([rawFrame(early), rawFrame('last')]))
    assert.deepEqual(
      [describeFrame(await client.next()), describeFrame(await client.next())],
      [text(early), text('last')],
    )
  })

  it('a client that is refused gets the answer, however much it has sent and however late it reads', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let received = ''
    let failure: Error | undefined
    socket.setEncoding('latin1').on('error', (error) => (failure = error))
    socket.write(requestOf({ line: 'GET /nowhere HTTP/1.1' }))
    for (let count = 0; count < 20; count++) {
      socket.write(Buffer.alloc(50_000))
      await nextTurn()
    }
    socket.on('data', (data: string) => (received += data))
    await until('the server ends', () => socket.destroyed)
    assert.match(received, /^HTTP\/1\.1 404 /, failure?.message)
  })
})

it('a request that arrives octet by octet is accepted', async () => {
  const socket = await dial()
  let received = ''
  socket.setEncoding('latin1').on('data', (data: string) => (received += data))
  for (const octet of requestOf()) {
    socket.write(octet, 'latin1')
    await nextTurn()
  }
  await until('the answer comes', () => received.startsWith('HTTP/1.1 101 ') && received.endsWith('\r\n\r\n'))
  socket.destroy()
})

describe('a handshake that is never completed is cut off after handshakeTimeout', { concurrency: true }, async () => {
  const handshakeTimeout = 300
  const server = await startEcho({ handshakeTimeout })
  const whole = requestOf()
  const halves: [name: string, half: string][] = [
    ['nothing', ''],
    ['one octet', 'G'],
    ['the request line', whole.slice(0, whole.indexOf('\r\n') + 2)],
    ['half a header', whole.slice(0, 40)],
    ['all but the last octet', whole.slice(0, -1)],
    [
      'a complete plain request, and half of a second one',
      `${requestOf({ fields: [['Host', 'x']] })}${whole.slice(0, 40)}`,
    ],
  ]
  for (const [name, half] of halves) {
    it(name, async () => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.on('error', () => {}).resume()
      const since = performance.now()
      socket.write(half)
      await until('the client is cut off', () => socket.destroyed)
      const duration = performance.now() - since
      assert.ok(duration >= handshakeTimeout - 20, `after ${duration} ms already`)
    })
  }
})
