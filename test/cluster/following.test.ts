import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import { createServer, defineModule } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { binaryCodec } from '../../src/protocol/binary-codec.ts'
import type { NodeId, PushId, Uid } from '../../src/protocol/ids.ts'
import { encodePayload } from '../../src/protocol/payload.ts'
import { connect } from '../../src/testing.ts'
import { until } from '../support/until.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000, storeWait: 60_000, maxInboxBytes: 1_024 * 1_024 }
const ws = defineModule('/ws', {
  handshake: (ctx) => void (ctx.uid = new URL(ctx.request.url).searchParams.get('uid')!),
})

/** A driver whose appends to some inboxes wait. */
function slowTo(driver: Driver, waits: (node: NodeId) => Promise<void> | undefined): Driver {
  const queue: Driver['queue'] = (settings) =>
    new Proxy(driver.queue(settings), {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name !== 'publish') return member.bind(target) as unknown
        return async (...args: Parameters<Queue['publish']>) => {
          await waits(args[0])
          return target.publish(...args)
        }
      },
    })
  return { state: (settings) => driver.state(settings), queue }
}

let seq = 0
/** Pushes to users as one publisher appends them, located long ago. */
function pushesTo(uids: readonly string[], text: string): Uint8Array {
  const envelopes = uids.map((uid) => {
    const to = { type: 'users' as const, users: [{ uid: uid as Uid, stamp: 1 }] }
    const id = `test-${text}-${uid}` as PushId
    const push = { type: 'push' as const, id, to, payload: encodePayload(text), hops: 0, resent: false }
    return { ...push, except: undefined, key: undefined }
  })
  return binaryCodec.encode({ publisher: 'test', seq: ++seq, envelopes })
}

test('what goes after one user waits for nobody else, however long another is on the way', async (t) => {
  const store = memory()
  let slow: NodeId | undefined
  let letGo!: () => void
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const driver = slowTo(store, (node) => (node === slow ? held : undefined))
  const left = createServer({ modules: [ws], driver, logger: silent, ...SETTINGS })
  const others = [1, 2].map(() => createServer({ modules: [ws], driver: store, logger: silent, ...SETTINGS }))
  await left.listen(0)
  const urls = await Promise.all(others.map((server) => server.listen(0)))
  const [ann, bob] = await Promise.all([connect(`${urls[0]}/ws?uid=ann`), connect(`${urls[1]}/ws?uid=bob`)])
  const queue = store.queue({ ...SETTINGS, logger: silent })
  t.after(async () => {
    ann.close()
    bob.close()
    await Promise.all([left, ...others].map((server) => server.close({ timeout: 100 })))
    await queue.close()
  })
  slow = others[0]!.cluster.self as NodeId
  const inbox = left.cluster.self as NodeId
  for (const text of ['m1', 'm2']) await queue.publish(inbox, pushesTo(['ann', 'bob'], text))
  await until('the second user has both', () => bob.received.length === 2)
  await queue.publish(inbox, pushesTo(['bob', 'ann'], 'm3'))
  await until('the second user has what came later', () => bob.received.length === 3)
  assert.deepEqual(ann.received, [])
  letGo()
  await until('the first user has all', () => ann.received.length === 3)
  assert.deepEqual(ann.received, ['m1', 'm2', 'm3'])
  assert.deepEqual(bob.received, ['m1', 'm2', 'm3'])
})
