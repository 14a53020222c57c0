import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { NodeId, PushId } from '../../src/envelope/ids.ts'
import { FlotillaError } from '../../src/errors.ts'
import { Dispatcher } from '../../src/push/dispatcher.ts'
import { Locator } from '../../src/push/locator.ts'
import { Parker } from '../../src/push/parker.ts'
import { Pusher } from '../../src/push/pusher.ts'
import { parseOptions } from '../../src/settings.ts'

const settings = parseOptions({ modules: [] })

/** The digest by which the pusher recognizes a repeated push of `x` to `u`. */
function digest(): string {
  const target = JSON.stringify([{ type: 'users', uids: ['u'] }, false, null])
  return createHash('sha1').update(target).update('x').digest('base64')
}

// Invariant I2: after a failure only what is missing is sent.
test('who has a push from its first attempt is left out of the third, though the second failed for another reason', async () => {
  const driver = memory()
  const [state, queue] = [driver.state(settings), driver.queue(settings)]
  const first = await queue.reserve('again' as PushId, digest(), 1_000)
  assert.equal(first.type, 'fresh')
  await queue.release('again' as PushId, digest(), ['a-1' as NodeId], 60_000)
  const away = {
    ...state,
    locate: () => Promise.reject(new FlotillaError('FLT_STORE_AWAY', 'the store does not answer')),
  } as unknown as typeof state
  const nodes = {
    nodeOf: () => undefined,
    isLive: () => false,
    refresh: async () => {},
    standIn: (node: NodeId) => node,
  }
  const locator = new Locator(away, nodes, 100)
  const dispatcher = new Dispatcher({
    queue,
    codec: settings.codec,
    publisher: 'p',
    locator,
    parker: new Parker(state, settings.codec),
    storeWait: settings.storeWait,
    onUndelivered: () => {},
  })
  const pusher = new Pusher(dispatcher, queue, 'p', { ...settings, onFailure: () => {} })
  await assert.rejects(pusher.push({ uid: 'u' }, 'x', { id: 'again' }), { code: 'FLT_STORE_AWAY' })
  assert.deepEqual(await queue.reserve('again' as PushId, digest(), 1_000), { type: 'fresh', stored: ['a-1'] })
})
