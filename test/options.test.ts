import assert from 'node:assert/strict'
import { createServer as createHttp } from 'node:http'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { readDocs, withOptions } from '../scripts/option-docs.ts'
import { redis } from '../src/drivers/redis/redis.ts'
import { Emitter } from '../src/emitter.ts'
import {
  allowOrigins,
  authenticate,
  createServer,
  defineModule,
  memory,
  MessageMapping,
  optionTable,
  type OptionRow,
  rateLimit,
  sameOrigin,
  WsController,
  WsModule,
} from '../src/index.ts'
import { parseOptions } from '../src/settings.ts'
import { connect, startTestServer } from '../src/testing.ts'

/** A call without type checks, as in JavaScript. */
type Loose = (...args: unknown[]) => unknown
const loose = (call: unknown): Loose => call as Loose

const driver = memory()
const perSecond = 1
const secret = 'x'.repeat(32)

const calls: [what: string, call: () => unknown, message: RegExp][] = [
  [
    'createServer',
    () => loose(createServer)({ modules: [], maxPaylod: 1 }),
    /'maxPaylod' \(did you mean 'maxPayload'\?\)/,
  ],
  ['createServer without options', () => loose(createServer)(), /createServer takes an object/],
  ['compression', () => loose(createServer)({ modules: [], compression: { treshold: 1 } }), /treshold/],
  ['a driver that was not made', () => loose(createServer)({ modules: [], driver: redis }), /driver/],
  ['startTestServer', () => loose(startTestServer)({ modules: [], ports: 1 }), /'ports'/],
  ['Emitter', () => new Emitter({ driver, pingInterval: 1 } as never), /'pingInterval': Emitter has no such option/],
  ['Emitter without a driver', () => new Emitter({} as never), /driver/],
  ['redis', () => loose(redis)({ url: 'redis://h', durabilty: 'replicated' }), /did you mean 'durability'/],
  ['redis with a URL alone', () => loose(redis)('redis://h'), /redis takes an object with url, durability/],
  ['memory', () => loose(memory)({ prefix: 'x' }), /'prefix': memory has no such option/],
  ['authenticate', () => loose(authenticate)({ secret, audiences: ['a'] }), /did you mean 'audience'/],
  ['rateLimit', () => loose(rateLimit)({ perSecond, perMinute: 1 }), /'perMinute'/],
  ['allowOrigins', () => loose(allowOrigins)(['https://a.example'], { credentials: true }), /credentials/],
  ['sameOrigin', () => loose(sameOrigin)(['https://a.example']), /nothing more than that: a list/],
  ['attach', () => loose(attach)(createHttp(), { path: '/x' }), /path/],
  ['listen', () => loose(listen)({ prot: 0 }), /did you mean 'port'/],
  ['listen with a text', () => loose(listen)('8080'), /listen takes an object with port, host, unix, not a string/],
  ['listen with a socket and a port', () => loose(listen)({ unix: '/tmp/s', port: 1 }), /one of them would be ignored/],
  ['listen with two hosts', () => loose(listen)({ port: 0, host: '::1' }, '::1'), /one of them would be ignored/],
  ['close', () => loose(close)({ timout: 1 }), /did you mean 'timeout'/],
  ['connect', () => loose(connect)('http://127.0.0.1:1', { header: {} }), /did you mean 'headers'/],
  ['push', () => loose(push)({ uid: 'a' }, 'x', { exept: { uid: 'a' } }), /did you mean 'except'/],
  ['members', () => loose(members)('g', { limt: 1 }), /did you mean 'limit'/],
]

const server = createServer({ modules: [] })
const { cluster } = server
const attach = server.attach.bind(server)
const listen = server.listen.bind(server)
const close = server.close.bind(server)
const push = cluster.push.bind(cluster)
const members = cluster.members.bind(cluster)

for (const [what, call, message] of calls)
  test(`an option that is not used is an error that names it: ${what}`, async () => {
    await assert.rejects(async () => await call(), { code: 'FLT_BAD_OPTION', message })
  })

test('a target or an exception with a field that is not known reaches nobody', async () => {
  const pushes: [...Parameters<Loose>][] = [
    [{ uid: 'a', except: { connection: 'c' } }, 'x'],
    [{ uid: 'a', groups: 'b' }, 'x'],
    [{ all: true }, 'x', { except: { group: 'g' } }],
    [{ all: true }, 'x', { except: { uids: ['a'] } }],
  ]
  for (const args of pushes)
    await assert.rejects(async () => await loose(push)(...args), {
      code: 'FLT_BAD_TARGET',
      message: /which is none of/,
    })
})

test('`maxLag` is 0 or at least `deadAfter`, for servers and emitters', async () => {
  const bad = {
    code: 'FLT_BAD_OPTION',
    message: /^maxLag must be 0, for no limit, or at least deadAfter, which is 10000/,
  }
  assert.throws(() => createServer({ modules: [], maxLag: 9_999 }), bad)
  assert.throws(() => new Emitter({ driver, maxLag: 1 }), bad)
  for (const maxLag of [0, 10_000]) createServer({ modules: [], maxLag })
  await new Emitter({ driver, deadAfter: 60_000, maxLag: 60_000 }).close()
})

const rows: [string, OptionRow][] = Object.entries(optionTable)
const numbers = rows.flatMap(([name, row]) => (row.type === 'number' ? [{ name, ...row }] : []))

test('a number has the default of the table', () => {
  const settings = new Map(Object.entries(parseOptions({ modules: [] })))
  for (const { name, ...row } of numbers) assert.equal(settings.get(name), row.default, name)
})

test('an option that is undefined counts as left out', async () => {
  const names = Object.keys(optionTable).filter((name) => name !== 'modules')
  const unset = Object.fromEntries(names.map((name) => [name, undefined]))
  const made = (options: object): unknown => parseOptions({ modules: [], name: 'same', ...options })
  const plain = (settings: unknown): string => inspect(settings, { depth: 1 })
  assert.equal(plain(made({ ...unset, name: 'same' })), plain(made({})))
  await using test = await startTestServer({ modules: [defineModule('/x', { commands: undefined })], ...unset })
  const client = await test.connect('/x', { headers: undefined, protocols: undefined })
  await test.server.cluster.push({ all: true }, 'x', { id: undefined, key: undefined, except: undefined })
  assert.equal(await client.next(), 'x')
})

test('a number is accepted within the bounds of the table, and refused beyond them', () => {
  // Far apart, so that only the bounds of the tested option matter.
  const make = (name: string, value: number) =>
    createServer({ modules: [], heartbeat: 20, deadAfter: 86_400_000, [name]: value })
  assert.ok(numbers.length > 20)
  for (const { name, min, max } of numbers) {
    for (const value of [min, max]) make(name, value)
    for (const value of [min - 1, max + 1, min + 0.5])
      assert.throws(() => make(name, value), {
        code: 'FLT_BAD_OPTION',
        message: new RegExp(`^${name} is .* from ${min} to ${max}$`),
      })
  }
})

test('docs/library.md has the current table of options: npm run docs writes it', () => {
  assert.equal(readDocs(), withOptions(readDocs()))
})

test('an option that is undefined counts as not given', async () => {
  const undef = undefined as never
  createServer({ modules: [], maxPayload: undef, driver: undef, name: undef, tls: undef, compression: undef })
  authenticate({ secret, groupsClaim: undef })
  rateLimit({ perSecond, burst: undef })
  redis({ url: 'redis://h', durability: undef })
  await new Emitter({ driver, codec: undef }).close()
})

test('a field of a module, a controller or a command that is not known is an error that names it', () => {
  class Said {
    say() {}
  }
  const decorated = (moduleOptions: object, controllerOptions: object, commandOptions: object): object => {
    class Controller extends Said {}
    class Module extends Said {}
    const say = Object.getOwnPropertyDescriptor(Said.prototype, 'say')!
    MessageMapping('say', commandOptions)(Controller.prototype, 'say', say)
    WsController('c', controllerOptions)(Controller)
    WsModule('/x', { controllers: [Controller], ...moduleOptions })(Module)
    return Module
  }
  const run = (): void => {}
  const limit = rateLimit({ perSecond })
  const modules: [entry: object, message: RegExp][] = [
    [loose(defineModule)('/x', { onOpen: run }) as object, /'onOpen'/],
    [loose(defineModule)('/x', { opne: run }) as object, /'opne' \(did you mean 'open'\?\)/],
    [
      loose(defineModule)('/x', { commands: { say: { run, middlewares: [limit] } } }) as object,
      /did you mean 'middleware'/,
    ],
    [loose(defineModule)('/x', { middleware: { messages: [limit] } }) as object, /did you mean 'message'/],
    [decorated({ middlewares: {} }, {}, {}), /@WsModule with 'middlewares'/],
    [decorated({}, { middlewares: [limit] }, {}), /@WsController at Controller with 'middlewares'/],
    [decorated({}, {}, { schema: {} }), /@MessageMapping\('say'\) with 'schema'/],
  ]
  for (const [entry, message] of modules)
    assert.throws(() => createServer({ modules: [entry] }), { code: 'FLT_BAD_MODULE', message })
  createServer({ modules: [decorated({}, {}, {})] })
})
