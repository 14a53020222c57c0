import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AckGatherer } from '../../src/drivers/redis/ack-gatherer.ts'
import { silent } from '../../src/logger.ts'

const FLUSHES = 200_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('acks that were sent leave nothing behind', async () => {
  const acks = new AckGatherer({ entries: 1, ms: 1 }, silent, async () => {})
  const flush = async (): Promise<number> => {
    for (let count = 0; count < FLUSHES; count++) await acks.flush()
    collect()
    return process.memoryUsage().heapUsed
  }
  // The first round also allocates what is kept for good.
  const before = await flush()
  const each = ((await flush()) - before) / FLUSHES
  assert.ok(each < 10, `${each} bytes for each`)
})
