import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Receipt } from '../../src/api.ts'
import { MemoryHandle } from '../../src/drivers/memory/handle.ts'
import { MemoryStore } from '../../src/drivers/memory/memory-store.ts'
import { MemoryPushIds } from '../../src/drivers/memory/push-ids.ts'
import { LONGEST_ID } from '../../src/drivers/push-ids.ts'
import type { RedisClient } from '../../src/drivers/redis/connection/client.ts'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { RedisPushIds } from '../../src/drivers/redis/push-ids.ts'
import { pushIdScripts } from '../../src/drivers/redis/scripts/push-ids.ts'
import { newProcessId, type NodeId, type PushId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { runs } from '../support/fuzz.ts'
import { SuiteRedis } from '../support/suite-redis.ts'

const HELD_FOR = 15_000

const server = new SuiteRedis()

/** A store whose clock is moved by hand. */
class MovedStore extends MemoryStore {
  time = 0

  override now(): number {
    return this.time
  }
}

/** The driver's records, whose scripts take the time from `clock` rather than from Redis, where ten minutes take ten. */
function recordsAt(clock: { readonly time: number }): RedisPushIds {
  type Script = (...args: readonly (string | number | Buffer | readonly string[])[]) => Promise<unknown>
  const script =
    (name: 'fltReserveId' | 'fltSettleId' | 'fltReleaseId'): Script =>
    (...args) => {
      const { lua, numberOfKeys } = pushIdScripts[name]
      const [seconds, micros] = [Math.floor(clock.time / 1_000), (clock.time % 1_000) * 1_000]
      return server.raw.eval(lua.replace("redis.call('TIME')", `{${seconds}, ${micros}}`), numberOfKeys, ...args.flat())
    }
  const commands = {
    fltReserveId: script('fltReserveId'),
    fltSettleId: script('fltSettleId'),
    fltReleaseId: script('fltReleaseId'),
  }
  const client = { run: (command: (redis: typeof commands) => unknown) => command(commands) }
  return new RedisPushIds({ client: client as unknown as RedisClient, keys: new Keys(newProcessId()) })
}

const anyId = fc.constantFrom('c:a', 'c:b', `c:${'x'.repeat(36)}`) as fc.Arbitrary<PushId>
const anyDigest = fc.constantFrom('one', 'two')
const anyNodes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }).map((counts) => {
  return counts.map((count) => `node-${'n'.repeat(count)}` as NodeId)
})
const anyAnswer = fc.oneof(
  fc.record({ nodeCount: fc.nat(600), offline: fc.array(fc.string({ maxLength: 40 }), { maxLength: 4 }) }),
  fc.record({ nodeCount: fc.nat(600), offline: fc.constant([]), offlineCount: fc.integer({ min: 21, max: 10_000 }) }),
)
const anyStep = fc.oneof(
  fc.record({ type: fc.constant('reserve' as const), id: anyId, digest: anyDigest }),
  fc.record({ type: fc.constant('settle' as const), id: anyId, digest: anyDigest, answer: anyAnswer }),
  fc.record({ type: fc.constant('release' as const), id: anyId, digest: anyDigest, stored: anyNodes }),
  fc.record({
    type: fc.constant('wait' as const),
    ms: fc.oneof(
      fc.nat(HELD_FOR),
      fc.nat(200_000),
      // The ends of lives, and of minutes, to the ms.
      fc.constantFrom(
        1,
        HELD_FOR - 1,
        HELD_FOR,
        59_999,
        60_000,
        60_001,
        LONGEST_ID - 1,
        LONGEST_ID,
        LONGEST_ID + 60_000,
      ),
    ),
  }),
)

test('an id is the same on Redis as in memory, whatever minutes go by between its reservations', async () => {
  // Ahead of the clock of Redis, so that it forgets nothing before the scripts say so.
  const start = Date.now() + 60_000
  const property = fc.asyncProperty(fc.nat(120_000), fc.array(anyStep, { maxLength: 40 }), async (offset, steps) => {
    const store = new MovedStore()
    store.time = start + offset
    const settings = { prefix: 'p', heartbeat: 1_000, deadAfter: 3_000, storeWait: 5_000, maxInboxBytes: 1e6 }
    const model = new MemoryPushIds(new MemoryHandle(store, { ...settings, logger: silent }))
    const records = recordsAt(store)
    for (const step of steps) {
      if (step.type === 'wait') {
        store.time += step.ms
        continue
      }
      const { id, digest } = step
      if (step.type === 'reserve') {
        assert.deepEqual(await records.reserve(id, digest, HELD_FOR), await model.reserve(id, digest, HELD_FOR))
      } else if (step.type === 'settle') {
        const receipt: Receipt = { id: id.slice(2), ...step.answer }
        await records.settle(id, digest, receipt, LONGEST_ID)
        await model.settle(id, digest, receipt, LONGEST_ID)
      } else {
        await records.release(id, digest, step.stored, LONGEST_ID)
        await model.release(id, digest, step.stored, LONGEST_ID)
      }
    }
  })
  await fc.assert(property, runs(150))
})
