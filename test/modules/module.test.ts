import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import type { Cluster } from '../../src/api.ts'
import { FlotillaError } from '../../src/errors.ts'
import { silent } from '../../src/logger.ts'
import { CloseContext, OpenContext } from '../../src/modules/contexts.ts'
import { defineModule } from '../../src/modules/define-module.ts'
import { json, raw, token } from '../../src/wire/parsers.ts'
import { Client, compile, FakeCluster, handshake, noCluster } from './harness.ts'

const services = { cluster: noCluster, log: silent }
const text = z.object({ text: z.string() })

function fail(): never {
  throw new Error('mine')
}

async function refuseLate(): Promise<Response> {
  await turn()
  return new Response(null, { status: 401 })
}

// ---- messages

const { module: chat, failures } = compile(
  defineModule('/chat/:room', {
    commands: {
      'room.say': { data: text, run: ({ data, params }) => `${params.room}: ${data.text}` },
      quiet: { run() {} },
      nothing: { run: () => null },
      bytes: { run: () => Uint8Array.of(1, 2) },
      ext: { run: ({ ext, raw: message, command, id }) => ({ ext, command, id: id ?? null, raw: message }) },
      crash: {
        run() {
          throw new Error('password=hunter2')
        },
      },
      deny: {
        run() {
          throw new FlotillaError('FLT_FORBIDDEN', 'members only')
        },
      },
      away: {
        run() {
          throw new FlotillaError('FLT_STORE_AWAY', 'redis://user:pass@10.0.0.1 is away')
        },
      },
      cycle: {
        run() {
          const cycle: Record<string, unknown> = {}
          return (cycle['cycle'] = cycle)
        },
      },
    },
  }),
)
const client = new Client({ room: 'red' })
const ask = async (message: unknown): Promise<unknown[]> => {
  failures.length = 0
  return client.ask(chat, message)
}
const failed = { code: 'FLT_HANDLER_FAILED', message: 'the handler of this message failed' }

test('answers a request with its id, its command and what the handler returned', async () => {
  const expected = [{ id: 7, cmd: 'room.say', data: 'red: hi' }]
  assert.deepEqual(await ask({ cmd: 'room.say', data: { text: 'hi' }, id: 7 }), expected)
})

test('answers a request whose handler returns nothing with data null', async () => {
  assert.deepEqual(await ask({ cmd: 'quiet', id: '' }), [{ id: '', cmd: 'quiet', data: null }])
  assert.deepEqual(await ask({ cmd: 'quiet', id: 0 }), [{ id: 0, cmd: 'quiet', data: null }])
})

test('without an id, a reply is sent only if the handler returns one', async () => {
  assert.deepEqual(await ask({ cmd: 'quiet' }), [])
  assert.deepEqual(await ask({ cmd: 'nothing' }), [{ cmd: 'nothing', data: null }])
})

test('bytes go out as one bare binary frame, and are an error if the request has an id', async () => {
  await chat.message(client.connection, '{"cmd":"bytes"}')
  assert.deepEqual(client.received(), [Uint8Array.of(1, 2)])
  assert.deepEqual(await ask({ cmd: 'bytes', id: 1 }), [{ id: 1, cmd: 'bytes', error: failed }])
  assert.match(String(failures[0]?.error), /bytes cannot answer a request with an id/)
})

test('answers ping without a handler for it', async () => {
  assert.deepEqual(await ask({ cmd: 'ping' }), [{ cmd: 'ping', data: 'pong' }])
  assert.deepEqual(await ask({ cmd: 'ping', id: 1 }), [{ id: 1, cmd: 'ping', data: 'pong' }])
})

test("a module's own ping command takes precedence", async () => {
  const { module } = compile(defineModule('/x', { commands: { ping: { run: () => 'mine' } } }))
  assert.deepEqual(await client.ask(module, { cmd: 'ping' }), [{ cmd: 'ping', data: 'mine' }])
})

test('hands command, ext, id and the raw message to the handler', async () => {
  const message = { cmd: 'ext', ext: { trace: 1 }, id: 3 }
  const data = { ext: { trace: 1 }, command: 'ext', id: 3, raw: JSON.stringify(message) }
  assert.deepEqual(await ask(message), [{ id: 3, cmd: 'ext', data }])
})

for (const name of ['room.shout', 'constructor', '__proto__', 'toString'])
  test(`names the unknown command ${name}`, async () => {
    const error = { code: 'FLT_UNKNOWN_COMMAND', message: `there is no command "${name}" here` }
    assert.deepEqual(await ask({ cmd: name, id: 1 }), [{ id: 1, cmd: name, error }])
    assert.deepEqual(await ask({ cmd: name }), [{ cmd: name, error }])
    assert.deepEqual(failures, [])
  })

test('answers a message that is not JSON, or not a request, with an error', async () => {
  await chat.message(client.connection, 'hello')
  const [reply] = client.replies() as [{ cmd: string; error: { code: string } }]
  assert.deepEqual([reply.cmd, reply.error.code], ['', 'FLT_BAD_JSON'])
  const [request] = (await ask({ id: 9 })) as [{ id: number; error: { code: string } }]
  assert.deepEqual([request.id, request.error.code], [9, 'FLT_BAD_REQUEST'])
  assert.deepEqual(failures, [])
})

test('answers data that does not fit the schema with the path of the issue', async () => {
  const [reply] = (await ask({ cmd: 'room.say', data: { text: 1 }, id: 1 })) as [{ error: Record<string, string> }]
  assert.equal(reply.error['code'], 'FLT_INVALID_DATA')
  assert.match(reply.error['message']!, /data\.text/)
  assert.deepEqual(failures, [])
})

test('a handler that throws is reported, and the client learns nothing about the error', async () => {
  assert.deepEqual(await ask({ cmd: 'crash', id: 1 }), [{ id: 1, cmd: 'crash', error: failed }])
  assert.equal(failures.length, 1)
  assert.deepEqual([failures[0]!.phase, failures[0]!.connection], ['message', client.connection])
  assert.match(String(failures[0]!.error), /hunter2/)
  assert.deepEqual(await ask({ cmd: 'crash' }), [{ cmd: 'crash', error: failed }])
})

test('a reply that JSON cannot hold is reported like a handler that throws', async () => {
  assert.deepEqual(await ask({ cmd: 'cycle', id: 1 }), [{ id: 1, cmd: 'cycle', error: failed }])
  assert.equal(failures.length, 1)
})

test('a client is shown a FlotillaError that a handler throws, but no internal details', async () => {
  const denied = { code: 'FLT_FORBIDDEN', message: 'members only' }
  assert.deepEqual(await ask({ cmd: 'deny', id: 1 }), [{ id: 1, cmd: 'deny', error: denied }])
  const away = { code: 'FLT_STORE_AWAY', message: 'not possible right now: try again later' }
  assert.deepEqual(await ask({ cmd: 'away', id: 1 }), [{ id: 1, cmd: 'away', error: away }])
})

test('a message hook gets the message as it arrived, and its return value is sent unchanged', async () => {
  const { module } = compile(defineModule('/echo', { message: ({ data }) => data as string | Uint8Array }))
  await module.message(client.connection, 'hi')
  await module.message(client.connection, Uint8Array.of(9))
  assert.deepEqual(client.received(), ['hi', Uint8Array.of(9)])
})

test('a message hook that throws is reported and sends nothing', async () => {
  const { module, failures: reported } = compile(defineModule('/x', { message: () => Promise.reject(new Error('x')) }))
  await module.message(client.connection, 'hi')
  assert.deepEqual(client.received(), [])
  assert.equal(reported.length, 1)
})

test('a message hook with a parser gets every command, and answers like a command', async () => {
  const { module } = compile(defineModule('/x', { parser: json, message: ({ command, data }) => ({ command, data }) }))
  const data = { command: 'any', data: 1 }
  assert.deepEqual(await client.ask(module, { cmd: 'any', data: 1, id: 1 }), [{ id: 1, cmd: 'any', data }])
})

test('the token parser serves commands', async () => {
  const commands = { say: { run: ({ data }: { data: unknown }) => `you said ${String(data)}` } }
  const { module } = compile(defineModule('/x', { parser: token, commands }))
  for (const message of ['say:a:b', 'ping', 'shout']) await module.message(client.connection, message)
  const unknown = 'error:FLT_UNKNOWN_COMMAND:there is no command "shout" here'
  assert.deepEqual(client.received(), ['say:you said a:b', 'ping:pong', unknown])
})

test('a custom parser decides how messages and replies are written, and its errors stay private', async () => {
  const parser = {
    decode(message: string | Uint8Array) {
      if (message === 'bad') throw new TypeError('inner detail')
      return { command: 'up', data: message }
    },
    encode: (answer: object) => Buffer.from(JSON.stringify(answer)),
  }
  const { module } = compile(
    defineModule('/x', { parser, commands: { up: { run: ({ data }) => String(data).toUpperCase() } } }),
  )
  await module.message(client.connection, 'a')
  await module.message(client.connection, 'bad')
  const [up, bad] = client.received().map((message) => Buffer.from(message as Uint8Array).toString())
  assert.equal(up, '{"cmd":"up","data":"A"}')
  assert.equal(bad, '{"cmd":"","error":{"code":"FLT_BAD_REQUEST","message":"the message cannot be read"}}')
})

test('a module without handlers answers ping and ignores the rest', async () => {
  const { module } = compile(defineModule('/ws', {}))
  for (const message of ['hello', '{"cmd":"x","id":1}']) await module.message(client.connection, message)
  await module.message(client.connection, Uint8Array.of(255))
  assert.deepEqual(client.received(), [])
  assert.deepEqual(await client.ask(module, { cmd: 'ping' }), [{ cmd: 'ping', data: 'pong' }])
})

// ---- message middleware

test("message middleware runs from the server's to the command's, and may replace the reply", async () => {
  const trace: string[] = []
  const layer = (name: string) => async (_: unknown, next: () => Promise<unknown>) => {
    trace.push(name)
    await next()
  }
  const { module } = compile(
    defineModule('/x', {
      middleware: { message: [layer('module')] },
      commands: {
        a: { middleware: [layer('command'), async (_, next) => `<${String(await next())}>`], run: () => 'a' },
      },
    }),
    { middleware: { message: [layer('server')] } },
  )
  assert.deepEqual(await client.ask(module, { cmd: 'a' }), [{ cmd: 'a', data: '<a>' }])
  assert.deepEqual(trace, ['server', 'module', 'command'])
})

test('message middleware sees unknown commands, and data unchecked before next() and checked after it', async () => {
  const seen: unknown[] = []
  const { module } = compile(
    defineModule('/x', {
      middleware: {
        message: [
          async (ctx, next) => {
            seen.push(ctx.command, ctx.data)
            await next()
            seen.push(ctx.data)
          },
        ],
      },
      commands: { n: { data: z.coerce.number(), run: ({ data }) => data + 1 } },
    }),
  )
  assert.deepEqual(await client.ask(module, { cmd: 'n', data: '41' }), [{ cmd: 'n', data: 42 }])
  await client.ask(module, { cmd: 'nope' })
  assert.deepEqual(seen, ['n', '41', 41, 'nope', undefined])
})

test('a request that middleware stops still gets exactly one reply', async () => {
  const { module } = compile(
    defineModule('/x', { middleware: { message: [() => undefined] }, commands: { a: { run: () => 1 } } }),
  )
  assert.deepEqual(await client.ask(module, { cmd: 'a', id: 1 }), [{ id: 1, cmd: 'a', data: null }])
})

// ---- handshake

test('a handshake without hooks and middleware is accepted', async () => {
  assert.equal(await chat.handshake(handshake()), undefined)
})

test('handshake middleware runs inwards in order and outwards in reverse, and shares the session', async () => {
  const trace: unknown[] = []
  const { module } = compile(
    defineModule('/x', {
      middleware: {
        handshake: [
          async (ctx, next) => {
            Object.assign(ctx.session, { name: 'n' })
            trace.push(await next(), ctx.uid)
          },
        ],
      },
      handshake(ctx) {
        trace.push({ ...ctx.session })
        ctx.uid = 'u1'
      },
    }),
    {
      middleware: {
        handshake: [
          async (ctx, next) => {
            await next()
            ctx.headers.append('set-cookie', 'a=1')
            ctx.headers.append('set-cookie', 'b=2')
          },
        ],
      },
    },
  )
  const ctx = handshake()
  assert.equal(await module.handshake(ctx), undefined)
  assert.deepEqual(trace, [{ name: 'n' }, undefined, 'u1'])
  assert.deepEqual(ctx.headers.getSetCookie(), ['a=1', 'b=2'])
})

test('a hook refuses by returning a Response, which middleware sees and may replace', async () => {
  const { module } = compile(
    defineModule('/x', {
      middleware: {
        handshake: [
          async (_, next) => ((await next()) instanceof Response ? new Response('no', { status: 418 }) : undefined),
        ],
      },
      handshake: () => new Response(null, { status: 401 }),
    }),
  )
  assert.equal((await module.handshake(handshake()))?.status, 418)
})

for (const [what, layer] of Object.entries<(ctx: unknown, next: () => Promise<unknown>) => unknown>({
  'neither calls next nor refuses': () => undefined,
  'swallows the error of the hook': async (_, next) => void (await next().catch(() => {})),
}))
  test(`middleware that ${what} accepts nobody`, async () => {
    const { module } = compile(defineModule('/x', { middleware: { handshake: [layer] }, handshake: fail }))
    const response = await module.handshake(handshake())
    assert.equal(response?.status, 403)
    assert.match(await response.text(), /FLT_FORBIDDEN/)
  })

test('middleware that does not await next() does not accept a client that the hook refuses', async () => {
  const middleware = { handshake: [(_: unknown, next: () => Promise<unknown>) => void next()] }
  const { module } = compile(defineModule('/x', { middleware, handshake: refuseLate }))
  assert.equal((await module.handshake(handshake()))?.status, 401)
})

test('a handshake hook that returns anything but a Response fails, and accepts nobody', async () => {
  const { module } = compile(defineModule('/x', { handshake: (() => false) as never }))
  await assert.rejects(async () => module.handshake(handshake()), {
    code: 'FLT_BAD_MODULE',
    message: /return a Response/,
  })
})

test('a Response of a class other than the global one refuses, too', async () => {
  class OtherResponse {
    readonly status = 403
    get [Symbol.toStringTag](): string {
      return 'Response'
    }
  }
  const { module } = compile(defineModule('/x', { handshake: () => new OtherResponse() as unknown as Response }))
  assert.equal((await module.handshake(handshake()))?.status, 403)
})

// ---- open and close

test('the open hook runs inside its middleware; join, leave and send still work after destructuring', async () => {
  const cluster = new FakeCluster()
  const { module } = compile(
    defineModule('/chat/:room', {
      middleware: { open: [async (ctx, next) => void (Object.assign(ctx.session, { seen: true }), await next())] },
      async open({ join, leave, send, params, session }) {
        await join(params.room, 'all')
        await leave('old')
        send({ ...session })
      },
    }),
  )
  const { connection } = client
  await module.open(new OpenContext(connection, { ...services, cluster: cluster as unknown as Cluster }))
  const target = { connection: connection.id }
  assert.deepEqual(cluster.calls, [
    ['join', target, ['red', 'all']],
    ['leave', target, ['old']],
  ])
  assert.deepEqual(client.replies(), [{ seen: true }])
})

test('open and close reject with the error that their hooks throw', async () => {
  const { module } = compile(defineModule('/x', { open: fail, close: fail }))
  await assert.rejects(module.open(new OpenContext(client.connection, services)), /mine/)
  await assert.rejects(module.close(new CloseContext(client.connection, services, 1000, '')), /mine/)
})

test('the close hook gets the code and the reason', async () => {
  const closed: unknown[] = []
  const { module } = compile(defineModule('/x', { close: ({ code, reason }) => closed.push(code, reason) }))
  await module.close(new CloseContext(client.connection, services, 4000, 'bye'))
  assert.deepEqual(closed, [4000, 'bye'])
})

test('the signal of a context aborts when the connection closes', () => {
  const other = new Client()
  const { signal } = new OpenContext(other.connection, services)
  assert.equal(signal.aborted, false)
  other.connection.closed()
  assert.equal(signal.aborted, true)
})

// ---- modules that are refused when the server is created

const run = () => 1

for (const [what, entry, message] of [
  ['a path without a slash', defineModule('chat', {}), /must begin with a slash/],
  ['a brace', defineModule('/chat/{room}', {}), /written ':room'/],
  ['two modules on one path', [defineModule('/x', {}), defineModule('/x', {})], /two modules have the path '\/x'/],
  ['message and commands', defineModule('/x', { message: run, commands: { a: { run } } }), /keep one of them/],
  ['a misspelt hook', defineModule('/x', { onOpen: run } as never), /has hooks with 'onOpen' .*: there are handshake/],
  ['a hook that is not a function', defineModule('/x', { open: 1 as never }), /open hook that is not a function/],
  ['a command without run', defineModule('/x', { commands: { a: run as never } }), /'a' without a function run/],
  ['commands with the raw parser', defineModule('/x', { parser: raw, commands: { a: { run } } }), /raw parser cannot/],
  ['an empty command', defineModule('/x', { commands: { '': { run } } }), /without a name/],
  [
    'data that is not a schema',
    defineModule('/x', { commands: { a: { data: {} as never, run } } }),
    /not a Standard Schema/,
  ],
  ['concurrency 0', defineModule('/x', { concurrency: 0 }), /whole number of 1 or more/],
  ['a parser without methods', defineModule('/x', { parser: {} as never }), /a parser that lacks decode\(\)/],
  [
    'middleware that is not a function',
    defineModule('/x', { middleware: { open: ['a' as never] } }),
    /open\[0\] is string/,
  ],
  ['middleware of an unknown stage', defineModule('/x', { middleware: { close: [] } as never }), /has no 'close'/],
  ['middleware as a list', defineModule('/x', { middleware: [] as never }), /must be an object/],
  ['a plain object', { path: '/x', open: run }, /defineModule/],
  ['a class without @WsModule', class Plain extends Client {}, /the class Plain has no @WsModule/],
] as const)
  test(`refuses ${what}, and says what to do`, () => {
    assert.throws(() => compile(entry), { code: 'FLT_BAD_MODULE', message })
  })

test('refuses modules that are not even objects', () => {
  assert.throws(() => compile([undefined as never]), { code: 'FLT_BAD_MODULE' })
  assert.throws(() => compile([], { modules: {} as never }), { code: 'FLT_BAD_MODULE', message: /a list/ })
})

test("refuses the server's middleware if it is not a function", () => {
  const middleware = { message: [undefined as never] }
  assert.throws(() => compile([], { middleware }), { message: /the server: middleware.message\[0\] is undefined/ })
})

test('concurrency is 1 by default', () => {
  assert.equal(chat.concurrency, 1)
  assert.equal(compile(defineModule('/x', { concurrency: 3, parser: raw })).module.concurrency, 3)
})
