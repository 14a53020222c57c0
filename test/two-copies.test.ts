import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import * as own from '../src/index.ts'
import { startTestServer } from '../src/testing.ts'
import { SECRET, tokenFor } from './standalone/api-call.ts'
import { refusal } from './standalone/refusal.ts'

// src and dist are two copies of the package, as an application has two in a monorepo, or if a tool compiles some of its
// files to CommonJS. One copy makes the server, and the other one everything that the server is given.

type Library = typeof own
const built: string = '../dist/index.js'
const other = (await import(built)) as Library

/** What happens to a request of the module in `modules`, whichever copy made it. */
async function answerOf(modules: own.ServerOptions['modules'], request: unknown, path = '/x'): Promise<unknown> {
  await using server = await startTestServer({ modules })
  const client = await server.connect(path)
  client.send(request)
  return await client.nextJson()
}

test('the two copies are two', () => {
  assert.notEqual(other.FlotillaError, own.FlotillaError)
  assert.notEqual(other.defineModule, own.defineModule)
})

test('what defineModule of another copy returned is a module', async () => {
  const module = other.defineModule('/x', { commands: { hi: { run: () => 'hello' } } })
  assert.equal(own.modulePathOf(module), '/x')
  assert.deepEqual(await answerOf([module], { cmd: 'hi', id: 1 }), { id: 1, cmd: 'hi', data: 'hello' })
  assert.equal(own.modulePathOf({ ...module }), undefined)
})

test('modules and controllers may have decorators of another copy, even if the classes are sealed', async () => {
  const { MessageMapping, OnHandshake, WsController, WsModule } = other
  class Talk {
    say(): string {
      return 'said'
    }
  }
  MessageMapping('say')(Talk.prototype, 'say', { value: Talk.prototype.say })
  WsController('talk')(Object.seal(Talk))
  class Room {
    enter(ctx: own.HandshakeContext): void {
      ctx.uid = 'ann'
    }
    @MessageMapping('who')
    who(ctx: own.MessageContext): string | undefined {
      return ctx.uid
    }
  }
  OnHandshake()(Room.prototype, 'enter', { value: Room.prototype.enter } as never)
  WsModule('/x', { controllers: [Talk] })(Object.seal(Room))
  for (const entry of [Room, new Room()]) {
    assert.equal(own.modulePathOf(entry), '/x')
    assert.deepEqual(await answerOf([entry], { cmd: 'talk.say', id: 1 }), { id: 1, cmd: 'talk.say', data: 'said' })
    assert.deepEqual(await answerOf([entry], { cmd: 'who', id: 2 }), { id: 2, cmd: 'who', data: 'ann' })
  }
})

test('the errors of another copy keep their code and status', async () => {
  const refuse = (): never => {
    throw new other.FlotillaError('FLT_FORBIDDEN', 'not you')
  }
  const module = own.defineModule('/x', { handshake: refuse })
  await using server = await startTestServer({ modules: [module] })
  assert.deepEqual(await refusal(`${server.url}/x`), { status: 403, code: 'FLT_FORBIDDEN' })
  const replying = own.defineModule('/x', { commands: { hi: { run: refuse } } })
  assert.deepEqual(await answerOf([replying], { cmd: 'hi', id: 1 }), {
    id: 1,
    cmd: 'hi',
    error: { code: 'FLT_FORBIDDEN', message: 'not you' },
  })
})

test('instanceof and isFlotillaError tell the errors of any copy from others', () => {
  class Mine extends own.FlotillaError {}
  for (const [one, two] of [
    [own, other],
    [other, own],
  ] as const) {
    const error = new one.FlotillaError('FLT_CLOSED', 'closed')
    assert.ok(two.isFlotillaError(error))
    assert.ok(error instanceof two.FlotillaError)
    assert.ok(!(error instanceof Mine))
    for (const stranger of [new Error('x'), { code: 'FLT_CLOSED' }, null, undefined, 'x']) {
      assert.ok(!two.isFlotillaError(stranger))
      assert.ok(!((stranger as object) instanceof two.FlotillaError))
    }
  }
  assert.ok(new Mine('FLT_CLOSED', 'closed') instanceof Mine)
  assert.ok(new Mine('FLT_CLOSED', 'closed') instanceof other.FlotillaError)
})

test('a code that only a newer copy knows counts as an error of the server', () => {
  const error = new own.FlotillaError('FLT_FROM_TOMORROW' as own.ErrorCode, 'new')
  assert.equal(error.status, 500)
  assert.equal(error.retry, false)
})

test("a parser of another copy answers what a client did wrong, and does not call it the server's fault", async () => {
  const reports: unknown[] = []
  const module = own.defineModule('/x', { parser: other.json, commands: { hi: { run: () => 'hello' } } })
  await using server = await startTestServer({ modules: [module], onError: (report) => void reports.push(report) })
  const client = await server.connect('/x')
  client.send({ id: 7 })
  const { id, error } = (await client.nextJson()) as { id: number; error: { code: string } }
  assert.deepEqual([id, error.code], [7, 'FLT_BAD_REQUEST'])
  client.send({ cmd: 'hi', id: 8 })
  assert.deepEqual(await client.nextJson(), { id: 8, cmd: 'hi', data: 'hello' })
  assert.deepEqual(reports, [])
})

test('a schema or a rate limit of another copy refuses a message without a report', async () => {
  const reports: unknown[] = []
  const module = other.defineModule('/x', {
    commands: {
      pick: { data: z.number(), run: ({ data }) => data },
      once: { middleware: [other.rateLimit({ perSecond: 0.001, burst: 1 })], run: () => 'ok' },
    },
  })
  await using server = await startTestServer({ modules: [module], onError: (report) => void reports.push(report) })
  const client = await server.connect('/x')
  const codes: unknown[] = []
  for (const request of [{ cmd: 'pick', data: 'x' }, { cmd: 'once' }, { cmd: 'once' }]) {
    client.send({ ...request, id: 1 })
    codes.push(((await client.nextJson()) as { error?: { code: string } }).error?.code)
  }
  assert.deepEqual(codes, ['FLT_INVALID_DATA', undefined, 'FLT_TOO_MANY'])
  assert.deepEqual(reports, [])
})

test('raw of another copy cannot be the parser of commands, either', () => {
  const module = own.defineModule('/x', { parser: other.raw, commands: { hi: { run: () => 'hello' } } })
  assert.throws(() => own.createServer({ modules: [module] }), { code: 'FLT_BAD_MODULE', message: /raw parser/ })
})

test('a push that another copy parsed goes out as it came', async () => {
  await using server = await startTestServer({ modules: [own.defineModule('/x', {})] })
  const client = await server.connect('/x')
  const body = '{"all":true,"message":{"exact": 1.50}}'
  for (const [one, two] of [
    [other, other],
    [own, other],
    [other, own],
  ] as const) {
    const { target, message, options } = one.parsePushBody(two.JsonSource.parse(body))
    await server.server.cluster.push(target, message, options)
    assert.equal(await client.next(), '{"exact": 1.50}')
  }
})

test('servers of two copies share a driver of either', async () => {
  for (const driver of [own.memory(), other.memory()]) {
    await using server = await startTestServer({ driver, modules: [own.defineModule('/x', {})] })
    const second = other.createServer({ driver, modules: [] })
    try {
      await second.ready()
      const client = await server.connect('/x')
      await second.cluster.push({ all: true }, 'across')
      assert.equal(await client.next(), 'across')
    } finally {
      await second.close()
    }
  }
})

test('the middleware of another copy admits and refuses', async () => {
  const handshake = [other.allowOrigins(['https://app.example']), other.authenticate({ secret: SECRET })]
  await using server = await startTestServer({ modules: [own.defineModule('/x', {})], middleware: { handshake } })
  const url = `${server.url}/x?token=${await tokenFor('ann')}`
  assert.equal((await refusal(url, { origin: 'https://evil.example' })).status, 403)
  assert.equal((await refusal(`${server.url}/x`)).status, 401)
  await server.connect(url.slice(server.url.length))
  assert.equal(await server.server.cluster.isOnline('ann'), true)
})
