import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { fill } from '../contracts/inboxes/words.ts'
import { Plug } from '../fuzz/cluster/plug.ts'
import { until } from '../support/until.ts'
import { pushesTo, trusting } from './words.ts'

const TIMES = { heartbeat: 1_000, deadAfter: 60_000, storeWait: 60_000 }
const BOUND = 16 * 1024
test('two full inboxes are worked off, although the oldest entry of each must be forwarded to the other', async (t) => {
  const store = memory()
  const settings = { prefix: 'p', ...TIMES, maxInboxBytes: BOUND }
  const plugs = [new Plug(store), new Plug(store)] as const
  const [a, b] = plugs.map(({ driver }) => createServer({ modules: [trusting], driver, ...settings }))
  const urls = await Promise.all([a!, b!].map((server) => server.listen(0)))
  const [ann, bob] = await Promise.all([connect(`${urls[0]}/ws?uid=ann`), connect(`${urls[1]}/ws?uid=bob`)])
  const queue = store.queue({ ...settings, logger: silent })
  t.after(async () => {
    ann.close()
    bob.close()
    await Promise.all([a!.close({ timeout: 100 }), b!.close({ timeout: 100 })])
    await queue.close()
  })
  for (const plug of plugs) plug.hold()
  const inboxes = [
    [a!.cluster.self as NodeId, 'ann', 'bob'],
    [b!.cluster.self as NodeId, 'bob', 'ann'],
  ] as const
  for (const [node, here, elsewhere] of inboxes) {
    assert.equal(await queue.publish(node, pushesTo([elsewhere], 'you have moved')), 'stored')
    // Fills the inbox: long entries first, then short ones in the room that remains.
    for (const text of ['x'.repeat(1_024), 'x']) {
      assert.ok((await fill(() => queue.publish(node, pushesTo([here], text)), 1)) > 0)
    }
  }
  for (const plug of plugs) plug.letGo()
  for (const client of [ann, bob]) {
    await until('it was forwarded', () => client.received.includes('you have moved'))
  }
  for (const [node, here] of inboxes) {
    // An entry as large as the bound, which only an empty inbox takes.
    const last = pushesTo([here], 'y'.repeat(BOUND))
    await until('its inbox is empty', async () => (await queue.publish(node, last)) === 'stored')
  }
})
