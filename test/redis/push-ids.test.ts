import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { Receipt } from '../../src/api.ts'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import type { PushId } from '../../src/envelope/ids.ts'
import { silent } from '../../src/logger.ts'
import { Child } from '../support/child.ts'
import { startRedis } from '../support/redis.ts'
import { typescript } from '../support/typescript.ts'
import { settled } from './settled.ts'
import { atEnd, startEmitter, startServer, TIMES } from './stage.ts'

const settleIds = fileURLToPath(new URL('settle-ids.ts', import.meta.url))

interface Fixture {
  readonly url: string
  readonly queue: PushIds
  readonly raw: Redis
}

async function start(t: TestContext): Promise<Fixture> {
  const server = await startRedis()
  atEnd(t, () => server.stop())
  const raw = new Redis(server.url)
  atEnd(t, () => raw.disconnect())
  const settings = { prefix: 'flotilla', ...TIMES, maxInboxBytes: 1e6, logger: silent }
  const queue = redis({ url: server.url }).queue(settings)
  atEnd(t, () => queue.close())
  return { url: server.url, queue, raw }
}

async function bytesUsed(raw: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await raw.info('memory'))?.[1])
}

/** How many bytes Redis uses for each id, by its own account. */
async function bytesEach(t: TestContext, count: number, offline: readonly string[]): Promise<number> {
  const { url, queue, raw } = await start(t)
  await settled(queue, randomUUID(), [])
  const before = await bytesUsed(raw)
  const child = new Child(process.execPath, [...typescript, settleIds, url, String(count), ...offline])
  assert.deepEqual(await child.exited, { code: 0, signal: null }, child.stderr)
  return ((await bytesUsed(raw)) - before) / count
}

// Invariant I5: an id takes some fifty bytes for ten to eleven minutes.
test('an id of 36 bytes takes at most 120 bytes, mean over 20,000 of one user', async (t) => {
  const each = await bytesEach(t, 20_000, [])
  assert.ok(each <= 120, `${each} bytes each`)
})

test('the same holds if the user was offline, and the uid has 36 bytes, too', async (t) => {
  const each = await bytesEach(t, 20_000, [randomUUID()])
  assert.ok(each <= 120, `${each} bytes each`)
})

test('an id lives 10 to 11 minutes in Redis, and one that is only reserved as long as its reservation and a minute', async (t) => {
  const { queue, raw } = await start(t)
  const longestLife = async (): Promise<number> => {
    const keys = await raw.keys('*')
    assert.ok(keys.length > 0)
    const lives = await Promise.all(keys.map((key) => raw.pttl(key)))
    assert.ok(Math.min(...lives) >= 0, 'each of the keys goes by itself')
    return Math.max(...lives)
  }
  await queue.reserve('c:claimed' as PushId, 'digest', 15_000)
  assert.ok((await longestLife()) <= 75_000)
  for (const [id, offline] of [
    ['short', []],
    ['long', ['u'.repeat(255)]],
  ] as const) {
    await settled(queue, id, offline)
    const life = await longestLife()
    assert.ok(life > 540_000 && life <= 660_000, `${life} ms`)
  }
})

test('a push to 10,000 who are offline is remembered by their number, one to 20 by name', async (t) => {
  const { url, raw } = await start(t)
  await startServer(t, { url })
  const emitter = startEmitter(t, { url })
  const uids = Array.from({ length: 10_000 }, (_, index) => `u${index}`)
  for (const [count, again] of [
    [20, { offline: uids.slice(0, 20) }],
    [21, { offline: [], offlineCount: 21 }],
    [10_000, { offline: [], offlineCount: 10_000 }],
  ] as const) {
    const push = (): Promise<Receipt> => emitter.push({ uid: uids.slice(0, count) }, 'x', { id: `to-${count}` })
    assert.deepEqual(await push(), { id: `to-${count}`, nodeCount: 0, offline: uids.slice(0, count) })
    assert.deepEqual(await push(), { id: `to-${count}`, nodeCount: 0, ...again })
  }
  const keys = await raw.keys('flotilla:{p*}:k:*')
  const sizes = await Promise.all(keys.map((key) => raw.memory('USAGE', key)))
  assert.ok(Math.max(...sizes.map(Number)) <= 300, `${sizes.join(', ')} bytes`)
})
