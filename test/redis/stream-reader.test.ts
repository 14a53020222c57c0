import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redis } from '../../src/drivers/redis/redis.ts'
import { opened } from '../contracts/inboxes/words.ts'
import { calm, stage } from '../contracts/stage.ts'
import { StoreCalls } from '../support/store-calls.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const server = new SuiteRedis()

// Invariant K4: no read blocks for longer than a heartbeat.
test('a read of an inbox or of the broadcasts blocks for a heartbeat at most, and then looks again', async (t) => {
  const { settings, queue } = stage(t, { driver: redis({ url: server.url }) }, { ...calm, heartbeat: 200 })
  const one = queue()
  const node = await opened(one)
  const calls = await StoreCalls.start(server.url)
  t.after(() => calls.stop())
  for (const stop of [one.consume(node, async () => {}), one.consumeAll(node, async () => {})]) t.after(stop)
  /** For how many ms each read blocks, by stream. */
  const blocks = async (): Promise<number[][]> => {
    const found = new Map<string, number[]>()
    for (const { args } of await calls.naming('BLOCK')) {
      const [ms, key] = ['BLOCK', 'STREAMS'].map((word) => args[args.indexOf(word) + 1]!) as [string, string]
      found.set(key, [...(found.get(key) ?? []), Number(ms)])
    }
    return [...found.values()]
  }
  await until('both streams are read', async () => (await blocks()).length === 2)
  for (const ms of (await blocks()).flat()) assert.ok(ms > 0 && ms <= settings.heartbeat, `${ms} ms`)
  await until('both are read again', async () => (await blocks()).every(({ length }) => length > 1))
})
