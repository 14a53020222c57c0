import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { type ClientOptions, WebSocket } from 'ws'
import {
  authenticate,
  createServer,
  defineModule,
  type ModuleDefinition,
  type Server,
  type ServerOptions,
} from '../../src/index.ts'
import { withShortLife } from '../support/short-life.ts'
import { until } from '../support/until.ts'

const servers: Server[] = []
after(() => Promise.all(servers.map((server) => server.close())))

interface Running {
  readonly url: string
  readonly server: Server
  readonly errors: { readonly phase: string; readonly error: unknown }[]
}

async function start(module: ModuleDefinition, options: Partial<ServerOptions> = {}): Promise<Running> {
  const errors: Running['errors'] = []
  const server = createServer({ modules: [module], onError: (report) => void errors.push(report), ...options })
  servers.push(server)
  return { server, url: (await server.listen(0)).replace(/^http/, 'ws'), errors }
}

/** A plain client that keeps the messages it receives. */
class Peer {
  readonly socket: WebSocket
  readonly #messages: string[] = []
  #wake = (): void => {}

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, options)
    this.socket.on('message', (data) => {
      this.#messages.push((data as Buffer).toString())
      this.#wake()
    })
  }

  async opened(): Promise<this> {
    await once(this.socket, 'open')
    return this
  }

  async closed(): Promise<{ code: number; reason: string }> {
    const [code, reason] = (await once(this.socket, 'close')) as [number, Buffer]
    return { code, reason: reason.toString() }
  }

  /** Waits until `count` messages have arrived, and takes them. */
  async take(count: number): Promise<string[]> {
    while (this.#messages.length < count) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#messages.splice(0, count)
  }

  async ask(message: unknown): Promise<unknown> {
    this.socket.send(JSON.stringify(message))
    const [reply] = await this.take(1)
    return JSON.parse(reply!)
  }
}

interface Refusal {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

async function refusalOf(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<Refusal> {
  const { socket } = new Peer(url, protocols, options)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode!, headers: response.headers, body }
}

test('on one connection handshake, open, each message and close run one after another, in order', async () => {
  const trace: string[] = []
  const closed = withResolvers<void>()
  const { url } = await start(
    defineModule('/order', {
      handshake: () => void trace.push('handshake'),
      async open() {
        await delay(20)
        trace.push('open')
      },
      async message({ data }) {
        if (data === 'slow') await delay(20)
        trace.push(String(data))
        return data as string
      },
      close({ code }) {
        trace.push(`close ${code}`)
        closed.resolve()
      },
    }),
  )
  const { socket } = await new Peer(`${url}/order`).opened()
  for (const message of ['slow', 'a', 'slow', 'b']) socket.send(message)
  socket.close(4000)
  await closed.promise
  assert.deepEqual(trace, ['handshake', 'open', 'slow', 'a', 'slow', 'b', 'close 4000'])
})

test('with concurrency 2 a quick message overtakes a slow one', async () => {
  const gate = withResolvers<void>()
  const { url } = await start(
    defineModule('/two', {
      concurrency: 2,
      async message({ data }) {
        if (data === 'slow') await gate.promise
        return data as string
      },
    }),
  )
  const peer = await new Peer(`${url}/two`).opened()
  for (const message of ['slow', 'quick']) peer.socket.send(message)
  assert.deepEqual(await peer.take(1), ['quick'])
  gate.resolve()
  assert.deepEqual(await peer.take(1), ['slow'])
})

test('commands get the path parameters and the session that the handshake filled', async () => {
  const { url, errors } = await start(
    defineModule('/chat/:room', {
      handshake({ session, request }) {
        Object.assign(session, { name: new URL(request.url).searchParams.get('name') })
      },
      commands: {
        who: { run: ({ params, session }) => ({ ...params, ...session }) },
        crash: { run: () => Promise.reject(new Error('secret')) },
      },
    }),
  )
  const peer = await new Peer(`${url}/chat/red%20one?name=ann`).opened()
  assert.deepEqual(await peer.ask({ cmd: 'who', id: 1 }), { id: 1, cmd: 'who', data: { room: 'red one', name: 'ann' } })
  const failed = {
    id: 2,
    cmd: 'crash',
    error: { code: 'FLT_HANDLER_FAILED', message: 'the handler of this message failed' },
  }
  assert.deepEqual(await peer.ask({ cmd: 'crash', id: 2 }), failed)
  assert.deepEqual(await peer.ask({ cmd: 'ping', id: 3 }), { id: 3, cmd: 'ping', data: 'pong' })
  assert.deepEqual(
    errors.map(({ phase }) => phase),
    ['message'],
  )
})

test('headers and cookies that middleware sets go out with the 101', async () => {
  const { url } = await start(
    defineModule('/x', {
      middleware: {
        handshake: [
          async ({ headers }, next) => {
            await next()
            headers.set('x-served-by', 'me')
            headers.append('set-cookie', 'a=1; Path=/')
            headers.append('set-cookie', 'b=2')
          },
        ],
      },
    }),
  )
  const { socket } = new Peer(`${url}/x`)
  const [response] = (await once(socket, 'upgrade')) as [IncomingMessage]
  assert.equal(response.headers['x-served-by'], 'me')
  assert.deepEqual(response.headers['set-cookie'], ['a=1; Path=/', 'b=2'])
})

test('headers and cookies of the context go out with a refusal, too, beside those of its Response', async () => {
  const { url } = await start(
    defineModule('/x', {
      handshake({ headers }) {
        headers.append('set-cookie', 'a=1')
        return new Response('not you', { status: 403, headers: { 'x-why': 'because', 'set-cookie': 'b=2' } })
      },
    }),
  )
  const { status, headers, body } = await refusalOf(`${url}/x`)
  assert.deepEqual([status, body, headers['x-why']], [403, 'not you', 'because'])
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
})

test('hooks see the URL of the handshake before and after the 101, with its query and Host', async () => {
  const seen: string[] = []
  const { url } = await start(
    defineModule('/x/:id', {
      handshake: (ctx) => void seen.push(ctx.url.href, ctx.request.url, String(ctx.request.headers.get('x-a'))),
      open: (ctx) => void seen.push(ctx.url.href, ctx.request.url, String(ctx.request.headers.get('x-a'))),
    }),
  )
  const { socket } = new Peer(`${url}/x/1?q=a%20b`, [], { headers: { host: 'chat.example', 'x-a': '1, 2' } })
  await once(socket, 'open')
  const href = 'http://chat.example/x/1?q=a%20b'
  assert.deepEqual(seen, [href, href, '1, 2', href, href, '1, 2'])
})

test('a Host header that makes no valid URL is refused before any hook runs', async () => {
  const seen: string[] = []
  const { url } = await start(defineModule('/x', { handshake: (ctx) => void seen.push(ctx.url.href) }))
  const { socket } = new Peer(`${url}/x`, [], { headers: { host: 'x:99999' } })
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }]
  assert.equal(response.statusCode, 400)
  assert.deepEqual(seen, [])
})

test("a handshake's signal aborts if the client goes away before the 101", async () => {
  let signal: AbortSignal | undefined
  const { url } = await start(
    defineModule('/x', {
      async handshake(ctx) {
        signal = ctx.signal
        await once(signal, 'abort')
      },
    }),
  )
  const { socket } = new Peer(`${url}/x`)
  socket.on('error', () => {})
  await until('the handshake has begun', () => signal !== undefined)
  assert.equal(signal!.aborted, false)
  socket.terminate()
  await until('it aborts', () => signal!.aborted)
})

test('a path without a module answers 404', async () => {
  const { url } = await start(defineModule('/x', {}))
  for (const path of ['/y', '/x/', '/X']) assert.equal((await refusalOf(url + path)).status, 404)
})

test('a handshake hook that throws answers 500 and does not say why', async () => {
  const { url, errors } = await start(defineModule('/x', { handshake: () => Promise.reject(new Error('secret')) }))
  const { status, body } = await refusalOf(`${url}/x`)
  assert.equal(status, 500)
  assert.doesNotMatch(body, /secret/)
  assert.deepEqual(
    errors.map(({ phase }) => phase),
    ['handshake'],
  )
})

test('an open hook that throws closes with 1011', async () => {
  const { url, errors } = await start(defineModule('/x', { open: () => Promise.reject(new Error('secret')) }))
  assert.equal((await new Peer(`${url}/x`).closed()).code, 1011)
  assert.deepEqual(
    errors.map(({ phase }) => phase),
    ['open'],
  )
})

test('text that is not UTF-8 closes with 1007, a message that is too large with 1009', async () => {
  const { url } = await start(defineModule('/x', {}), { maxPayload: 1000 })
  const garbled = await new Peer(`${url}/x`).opened()
  garbled.socket.send(Buffer.of(0xff, 0xfe), { binary: false })
  assert.equal((await garbled.closed()).code, 1007)
  const large = await new Peer(`${url}/x`).opened()
  large.socket.send('x'.repeat(1001))
  assert.equal((await large.closed()).code, 1009)
})

test('a push to a group that the handshake named arrives as soon as the connection is open', async () => {
  const { url, server } = await start(defineModule('/x', { handshake: ({ groups }) => void groups.add('red') }))
  const peer = await new Peer(`${url}/x`).opened()
  await server.cluster.push({ group: 'red' }, 'hello')
  assert.deepEqual(await peer.take(1), ['hello'])
})

const secret = 'test-secret'
const sign = (exp: number): Promise<string> =>
  new SignJWT({ sub: 'u1', exp }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret))
const middleware = { handshake: [authenticate({ secret })] }

test('authenticate binds the user before the 101 and answers with the subprotocol flotilla alone', async () => {
  const { url, server } = await start(defineModule('/x', {}), { middleware })
  const token = await sign(Math.floor(Date.now() / 1000) + 3_600)
  const peer = await new Peer(`${url}/x`, ['flotilla', `token.${token}`]).opened()
  assert.equal(peer.socket.protocol, 'flotilla')
  await server.cluster.transportToUid('hello', 'u1')
  assert.deepEqual(await peer.take(1), ['hello'])
})

test('authenticate answers 401 with a JSON body before the upgrade', async () => {
  const { url } = await start(defineModule('/x', {}), { middleware })
  const { status, headers, body } = await refusalOf(`${url}/x`)
  assert.equal(status, 401)
  assert.equal(headers['www-authenticate'], 'Bearer')
  assert.equal((JSON.parse(body) as { error: { code: string } }).error.code, 'FLT_UNAUTHORIZED')
})

test('a connection closes with 4401 when its token expires', async () => {
  const exact = { handshake: [authenticate({ secret, clockTolerance: 0 })] }
  const { url } = await start(defineModule('/x', {}), { middleware: exact })
  const peer = await withShortLife(async (seconds) =>
    new Peer(`${url}/x?token=${await sign(Math.floor(Date.now() / 1000) + seconds)}`).opened(),
  )
  assert.equal((await peer.closed()).code, 4401)
})

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((fulfil) => (resolve = fulfil))
  return { promise, resolve }
}
