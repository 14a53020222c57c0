import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Handler } from '../../src/drivers/entry.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { createServer, type Server } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { until } from '../support/until.ts'
import { driverWith, trusting } from './words.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000 }

interface Pair {
  /** The node that reads broadcasts only after `letGo`. */
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

// Invariant A6: a node that closes owes its users the broadcasts that were stored before it told them to go.
test('a closing node forwards the broadcasts that it has not read yet to the users who were there', async (t) => {
  const { late, other, letGo, open } = await startPair(t)
  await open(late, 'u')
  await open(late, 'excepted')
  await open(late, 'moves')
  await other.cluster.push({ all: true }, 'on its way', { except: { uid: 'excepted' } })
  const moved = await open(other, 'moves')
  const closing = late.close({ timeout: 100 })
  await until('they have gone', async () => !(await other.cluster.isOnline('u')))
  await other.cluster.push({ all: true }, 'too late')
  letGo()
  await closing
  const [back, excepted] = await Promise.all([open(other, 'u'), open(other, 'excepted')])
  await until('it has come', () => back.received.length > 0 && moved.received.length > 1)
  await other.cluster.push({ all: true }, 'last')
  await Promise.all(
    [back, excepted, moved].map((client) => until('the last has come', () => client.received.includes('last'))),
  )
  assert.deepEqual(back.received, ['on its way', 'last'])
  assert.deepEqual(excepted.received, ['last'])
  // This user came to the other node after the broadcast had been handed out there.
  assert.deepEqual(moved.received.map(String).toSorted(), ['last', 'on its way', 'too late'])
})

test('a user who is on another node before the broadcast is handed out there gets it once', async (t) => {
  const { late, other, letGo, open } = await startPair(t)
  await open(late, 'u')
  const here = await open(other, 'u')
  await other.cluster.push({ all: true }, 'for everyone')
  await until('it has come', () => here.received.length === 1)
  const closing = late.close({ timeout: 100 })
  letGo()
  await closing
  await other.cluster.push({ all: true }, 'last')
  await until('the last has come', () => here.received.includes('last'))
  assert.deepEqual(here.received, ['for everyone', 'last'])
})

test('a node that would take long to catch up with the broadcasts closes all the same', async () => {
  const driver = driverWith(memory(), { queue: () => ({ newestBroadcast: async () => Number.MAX_SAFE_INTEGER }) })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  await server.listen(0)
  await server.close({ timeout: 100 })
})

test('a node closes even if the store does not say how far it has to read', async () => {
  const newestBroadcast = async (): Promise<number> => Promise.reject(new Error('the store has other things to do'))
  const driver = driverWith(memory(), { queue: () => ({ newestBroadcast }) })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  await server.listen(0)
  const { self } = server.cluster
  await server.close({ timeout: 100 })
  const other = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  await other.listen(0)
  const nodes = await other.cluster.nodes()
  await other.close()
  assert.equal(
    nodes.some(({ node }) => node === self),
    false,
  )
})
