import assert from 'node:assert/strict'
import { after, before, describe, test, type TestContext } from 'node:test'
import slotOf from 'cluster-key-slot'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { seatScripts } from '../../src/drivers/redis/scripts/seats.ts'
import {
  incarnationAfter,
  newProcessId,
  nodeId,
  type NodeId,
  type ProcessId,
  SEAT_COUNT,
} from '../../src/envelope/ids.ts'
import { stage } from '../contracts/stage.ts'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { startRedis } from '../support/redis.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { startServer } from './stage.ts'

const SLOTS = 16_384
const keys = new Keys('flotilla', { isCluster: true })

/** The busiest master's number of inboxes, divided by the mean. */
function unevenness(nodes: readonly NodeId[], masterOf: (slot: number) => number, masterCount: number): number {
  const counts = Array.from({ length: masterCount }, () => 0)
  for (const node of nodes) counts[masterOf(slotOf(keys.inbox(node)))]!++
  return Math.max(...counts) / (nodes.length / masterCount)
}

/** Masters with one range of slots each, all about the same size. */
const evenly =
  (count: number) =>
  (slot: number): number =>
    Math.floor((slot * count) / SLOTS)

describe('seats of inboxes', () => {
  const server = new SuiteRedis()

  /** Nodes that come and go. All nodes of one round ask for a seat before any of them opens its inbox. */
  async function fleetAfter(
    t: TestContext,
    rounds: readonly (readonly [leaving: number, joining: number])[],
    masters: number,
  ): Promise<NodeId[]> {
    const { queue, settings } = stage(t, { driver: redis({ url: server.url }) })
    const { prefix } = settings
    const [one, ask] = [queue(), seatsIn(prefix, masters)]
    const nodes: NodeId[] = []
    let random = 1
    for (const [leaving, joining] of rounds) {
      for (let count = 0; count < leaving; count++) {
        random = (random * 48_271) % 2_147_483_647
        const [gone] = nodes.splice(random % nodes.length, 1)
        await one.destroy(gone!)
      }
      const come = await Promise.all(
        Array.from({ length: joining }, async () => {
          const process = newProcessId()
          return nodeId('some-n.1', process, incarnationAfter(0, await ask(process)))
        }),
      )
      await Promise.all(come.map((node) => one.open(node)))
      nodes.push(...come)
    }
    return nodes
  }

  /** Asks for a seat as a queue does in a cluster of this many masters. */
  function seatsIn(prefix: string, masters: number): (process: ProcessId) => Promise<number> {
    const { allCursors, allSeats } = new Keys(prefix)
    const masterOf = evenly(masters)
    const owners = Buffer.from(Array.from({ length: SEAT_COUNT }, (_, seat) => masterOf(slotOf(keys.seat(seat)))))
    const { lua } = seatScripts.fltSeat
    return async (process) =>
      (await server.raw.eval(lua, 2, allCursors(), allSeats(), process, owners, 60_000)) as number
  }

  // Invariant K3: inboxes are even over the masters.
  test('512 inboxes are even over 16 masters', async (t) => {
    const nodes = await fleetAfter(t, [[0, 512]], 16)
    assert.equal(unevenness(nodes, evenly(16), 16), 1)
  })

  test('inboxes stay even while nodes come and go', async (t) => {
    const nodes = await fleetAfter(
      t,
      [
        [0, 160],
        [80, 80],
        [80, 40],
        [60, 100],
      ],
      16,
    )
    assert.equal(nodes.length, 160)
    const found = unevenness(nodes, evenly(16), 16)
    assert.ok(found <= 1.2, String(found))
  })

  test('inboxes that were spread over few masters are even when their slots are divided among more', async (t) => {
    const nodes = await fleetAfter(t, [[0, 320]], 4)
    const found = unevenness(nodes, evenly(16), 16)
    assert.ok(found <= 1.2, String(found))
  })

  test('a process that asks again because the reply was lost has one seat', async () => {
    const prefix = `test-${newProcessId()}`
    const [ask, process] = [seatsIn(prefix, 3), newProcessId()]
    assert.equal(await ask(process), await ask(process))
    assert.equal(await server.raw.hlen(new Keys(prefix).allSeats()), 1)
  })
})

describe('on a real Redis Cluster', () => {
  let cluster: RedisCluster
  before(async () => {
    cluster = await startCluster([], { replicas: false })
  })
  after(() => cluster.stop())

  async function inboxesByMaster(prefix: string): Promise<number[]> {
    const masters = await cluster.masters()
    const found = await Promise.all(masters.map((master) => master.keys(`${prefix}:*:i:*:in`)))
    return found.map((inboxes) => inboxes.length)
  }

  test('nodes that all start at once have as many inboxes on each master', async (t) => {
    const { settings } = stage(t, { driver: redis({ url: cluster.url }) })
    const { prefix } = settings
    const options = { prefix, connectTimeout: 120_000 }
    await Promise.all(Array.from({ length: 6 }, () => startServer(t, { url: cluster.url }, options)))
    assert.deepEqual(await inboxesByMaster(prefix), [2, 2, 2])
  })

  test('queues on one server have no seats to give', async (t) => {
    const server = await startRedis()
    t.after(() => server.stop())
    assert.equal(stage(t, { driver: redis({ url: server.url }) }).queue().seat, undefined)
    assert.notEqual(stage(t, { driver: redis({ url: cluster.url }) }).queue().seat, undefined)
  })
})
