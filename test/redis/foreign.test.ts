import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Keys } from '../../src/drivers/redis/keys.ts'
import { redis } from '../../src/drivers/redis/redis.ts'
import { broadcastAllOf, bytesOf, Inbox, opened } from '../contracts/inboxes/words.ts'
import { calm, stage } from '../contracts/stage.ts'
import { SuiteRedis } from '../support/suite-redis.ts'
import { until } from '../support/until.ts'

const server = new SuiteRedis()

for (const fields of [
  ['foreign', 'x'],
  ['d', 'x'],
  ['d', 'x', 'p', '0'],
  ['d', 'x', 'p', 'NaN'],
  ['d', 'x', 'p', '-1'],
  ['d', 'x', 'p', '99999999999'],
]) {
  const what = fields.join(' ')

  test(`an entry that somebody else adds to the broadcasts ("${what}") costs nobody a broadcast, and does not take room for ever`, async (t) => {
    const { queue, settings } = stage(t, { driver: redis({ url: server.url }) }, calm)
    const [quick, slow] = [queue(), queue()]
    const [quickNode, slowNode] = [await opened(quick), await opened(slow)]
    const [mine, theirs] = [new Inbox(), new Inbox()]
    const [all, meta] = [`${settings.prefix}:{all}:in`, `${settings.prefix}:{all}:m`]
    quick.consumeAll(quickNode, mine.handler)
    const stop = slow.consumeAll(slowNode, theirs.handler)
    await broadcastAllOf(quick, ['read by both'])
    await Promise.all([mine.received(1), theirs.received(1)])
    slow.ackAll(slowNode, theirs.entries[0]!.position)
    await slow.flushAcks()
    await stop()

    await broadcastAllOf(quick, ['m0'])
    await server.raw.xadd(all, '*', ...fields)
    await mine.received(3)
    const late = new Inbox()
    // The stream is trimmed only now and then; any ack may do it.
    await until('it is trimmed', async () => {
      quick.ackAll(quickNode, mine.entries[2]!.position)
      await quick.flushAcks()
      return (await server.raw.xlen(all)) <= 2
    })
    await broadcastAllOf(quick, ['m1'])
    slow.consumeAll(slowNode, late.handler)
    await Promise.all([late.received(3), mine.received(4)])
    assert.deepEqual([late.texts[0], late.texts[2]], ['m0', 'm1'])
    await until('nothing is left', async () => {
      quick.ackAll(quickNode, mine.entries[3]!.position)
      slow.ackAll(slowNode, late.entries[2]!.position)
      await Promise.all([quick.flushAcks(), slow.flushAcks()])
      return (await server.raw.xlen(all)) === 0
    })
    const [taken, gone] = await server.raw.hmget(meta, 'in', 'out')
    assert.equal(gone, taken)
  })

  test(`an entry that somebody else adds to an inbox ("${what}") does not lift its bound`, async (t) => {
    const { queue: open, settings } = stage(
      t,
      { driver: redis({ url: server.url }) },
      { ...calm, maxInboxBytes: 10_000 },
    )
    const queue = open()
    const node = await opened(queue)
    const inbox = new Inbox()
    const stop = queue.consume(node, inbox.handler)
    await queue.publish(node, bytesOf('ours'))
    await server.raw.xadd(new Keys(settings.prefix).inbox(node), '*', ...fields)
    await inbox.received(2)
    queue.ack(node, inbox.entries[1]!.position)
    await queue.flushAcks()
    await stop()
    const outcomes = []
    for (let count = 0; count < 12; count++) outcomes.push(await queue.publish(node, new Uint8Array(1_000)))
    assert.ok(outcomes.includes('full'), outcomes.join(' '))
  })
}
