import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { memory } from '../../src/drivers/memory/memory.ts'
import { binaryCodec } from '../../src/envelope/binary-codec.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { createServer, defineModule } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { anyBatch } from '../support/arbitraries.ts'
import { runs } from '../support/fuzz.ts'
import { until } from '../support/until.ts'

const TIMES = { heartbeat: 3_000, deadAfter: 10_000, storeWait: 60_000 }
const ws = defineModule('/ws', { handshake: (ctx) => void (ctx.uid = 'somebody of our own') })

test('whatever a stranger puts into an inbox or among the broadcasts, everything else still arrives', async () => {
  const driver = memory()
  const start = () => createServer({ modules: [ws], driver, prefix: 'p', ...TIMES })
  await using receiver = start()
  await using sender = start()
  await Promise.all([receiver.listen(0), sender.ready()])
  const client = await connect(`${receiver.url}/ws`)
  const queue = driver.queue({ prefix: 'p', ...TIMES, maxInboxBytes: 2 ** 26, logger: silent })
  let count = 0
  const anyEntry = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    anyBatch.map((batch) => binaryCodec.encode(batch)),
    fc.tuple(anyBatch, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 })).map(([batch, changes]) => {
      const bytes = binaryCodec.encode(batch)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes
    }),
  )
  const property = fc.asyncProperty(fc.array(anyEntry, { maxLength: 5 }), async (entries) => {
    for (const bytes of entries) {
      if (isOrderToEveryone(bytes)) continue
      await queue.publish(receiver.cluster.self as NodeId, bytes)
      await queue.publishAll(bytes)
    }
    const text = `ours ${++count}`
    await sender.cluster.push({ uid: 'somebody of our own' }, text)
    // A stranger's broadcasts may arrive, but a message for somebody else must not.
    await until(`${text} comes`, () => client.received.includes(text), { every: 1 })
  })
  await fc.assert(property, runs(150))
  assert.ok(receiver.stats().poisonedCount > 0)
  await queue.close()
})

/** Whether the node would obey the entry, because it cannot be told from one of its own. */
function isOrderToEveryone(bytes: Uint8Array): boolean {
  try {
    const { envelopes } = binaryCodec.decode(bytes)
    return envelopes.some(({ type, ...rest }) => type === 'control' && 'to' in rest && rest.to.type === 'all')
  } catch {
    return false
  }
}
