import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { Handler } from '../../src/drivers/queue.ts'
import { createServer, type Server } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { elapse, until } from '../support/until.ts'
import { driverWith, trusting } from './words.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000 }

interface Pair {
  /** The node that reads what is for everyone only once it is let go. */
  readonly late: Server
  readonly other: Server
  letGo(): void
  open(server: Server, uid: string): ReturnType<typeof connect>
}

async function startPair(t: TestContext): Promise<Pair> {
  const store = memory()
  let letGo!: () => void
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const driver = driverWith(store, {
    queue: (queue) => ({
      consumeAll: (node, handler: Handler) =>
        queue.consumeAll(node, async (entries) => {
          await held
          await handler(entries)
        }),
    }),
  })
  const late = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const other = createServer({ modules: [trusting], driver: store, logger: silent, ...SETTINGS })
  await Promise.all([late, other].map((server) => server.listen(0)))
  t.after(async () => {
    letGo()
    await Promise.all([late, other].map((server) => server.close({ timeout: 100 })))
  })
  const open: Pair['open'] = async (server, uid) => {
    const client = await connect(`${server.url}/ws?uid=${uid}`)
    t.after(() => client.close())
    return client
  }
  return { late, other, letGo, open }
}

test('a broadcast that was on its way when a user went comes to them on return, once', async (t) => {
  const { late, other, letGo, open } = await startPair(t)
  const gone = await open(late, 'u')
  const stays = await open(late, 'v')
  await other.cluster.push({ all: true }, 'on its way')
  gone.close()
  await until('it has gone', async () => !(await other.cluster.isOnline('u')))
  await other.cluster.push({ all: true }, 'later')
  letGo()
  await until('who stays has both', () => stays.received.length === 2)
  const back = await open(other, 'u')
  await until('it has come', () => back.received.length > 0)
  await other.cluster.push({ all: true }, 'last')
  await until('the last has come', () => back.received.includes('last'))
  // It was not there when the one between was stored.
  assert.deepEqual(back.received, ['on its way', 'last'])
  assert.deepEqual(stays.received, ['on its way', 'later', 'last'])
})

test('who is elsewhere by then has it there, once, whether that node comes to it before or after', async (t) => {
  const { late, other, letGo, open } = await startPair(t)
  const gone = await open(late, 'u')
  await other.cluster.push({ all: true }, 'before the move')
  const moved = await open(other, 'u')
  await other.cluster.push({ all: true }, 'after the move')
  await until('the second has come', () => moved.received.length === 1)
  gone.close()
  await until('it has gone', async () => (await other.cluster.connections('u')).length === 1)
  letGo()
  await until('the first has come, too', () => moved.received.length === 2)
  await other.cluster.push({ all: true }, 'last')
  await until('the last has come', () => moved.received.includes('last'))
  assert.deepEqual(moved.received, ['after the move', 'before the move', 'last'])
})

test('a node that closes sends what it has not come to yet after those who were there', async (t) => {
  const { late, other, letGo, open } = await startPair(t)
  await open(late, 'u')
  await open(late, 'excepted')
  await other.cluster.push({ all: true }, 'on its way', { except: { uid: 'excepted' } })
  const closing = late.close({ timeout: 100 })
  await until('they have gone', async () => !(await other.cluster.isOnline('u')))
  await elapse(50)
  letGo()
  await closing
  const [back, excepted] = await Promise.all([open(other, 'u'), open(other, 'excepted')])
  await until('it has come', () => back.received.length > 0)
  await other.cluster.push({ all: true }, 'last')
  await Promise.all(
    [back, excepted].map((client) => until('the last has come', () => client.received.includes('last'))),
  )
  assert.deepEqual(back.received, ['on its way', 'last'])
  assert.deepEqual(excepted.received, ['last'])
})

test('a node that would be long in catching up closes all the same', async (t) => {
  const driver = driverWith(memory(), { queue: () => ({ newestBroadcast: async () => Number.MAX_SAFE_INTEGER }) })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  await server.listen(0)
  t.diagnostic(`it closed after ${await msOf(() => server.close({ timeout: 100 }))} ms`)
})

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return Math.round(performance.now() - began)
}
