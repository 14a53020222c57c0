import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Driver } from '../../src/drivers/driver.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import { Emitter } from '../../src/emitter.ts'
import { Host } from '../fuzz/cluster/host.ts'
import { connect } from '../support/connect.ts'
import { elapse, until } from '../support/until.ts'
import { connectionsOf, DEAD_AFTER, HEARTBEAT, nodesSeenBy, startFleet, untilGone } from './fleet.ts'

// A process that stood still, and does not know it, acts on what was true before.

/** A publisher that stands still between its lookup and its append, until it is let go. */
function standingStill(store: Driver): { driver: Driver; goOn: () => void; isStanding: () => boolean } {
  let goOn!: () => void
  let isStanding = false
  const gate = new Promise<void>((resolve) => (goOn = resolve))
  const queue: Driver['queue'] = (settings) => {
    const handle = store.queue(settings)
    const publish = handle.publish.bind(handle)
    const late = async (...given: Parameters<typeof publish>): ReturnType<typeof publish> => {
      isStanding = true
      await gate
      return publish(...given)
    }
    return Object.assign(handle, { publish: late })
  }
  return { driver: { state: store.state, queue }, goOn, isStanding: () => isStanding }
}

async function pushedLate(t: TestContext, move: (b: Host) => Promise<void>): Promise<{ offline: readonly string[] }> {
  const store = memory()
  const [a, b] = await Promise.all(['a', 'b'].map((name) => Host.start(store, 'p', name)))
  t.after(() => Promise.all([a!, b!].map(({ server }) => server.close({ timeout: 100 }))))
  const { driver, goOn, isStanding } = standingStill(store)
  const emitter = new Emitter({ driver, prefix: 'p', heartbeat: 100, deadAfter: 400 })
  t.after(() => emitter.close())
  const phone = await connect(a!.url, { uid: 'u' })
  const receipt = emitter.push({ uid: 'u' }, 'late')
  await until('it stands still', isStanding)
  await a!.kill()
  phone.socket.terminate()
  await until('it was taken over', async () => (await b!.server.cluster.nodes()).length === 1)
  await move(b!)
  goOn()
  return receipt
}

test('a publisher that stood still while its target was taken over reaches the user on another node', async (t) => {
  let laptop: Awaited<ReturnType<typeof connect>> | undefined
  const { offline } = await pushedLate(t, async (b) => {
    laptop = await connect(b.url, { uid: 'u' })
  })
  assert.deepEqual(offline, [])
  await laptop!.waitFor(1)
  assert.deepEqual(laptop!.texts, ['late'])
  laptop!.socket.terminate()
})

test('a publisher that stood still is told if the user is nowhere by then', async (t) => {
  assert.deepEqual((await pushedLate(t, async () => {})).offline, ['u'])
})

test('a node that sleeps through its takeover leaves no ghosts of clients that came and went meanwhile', async (t) => {
  const { a, b, connect: join } = await startFleet(t)
  const [staying, leaving] = [await join(a, { uid: 'staying' }), await join(a, { uid: 'leaving' })]
  a.pause()
  // These clients come and go while the node sleeps: it writes their bindings when it wakes.
  const coming = Promise.allSettled(Array.from({ length: 5 }, (_, index) => join(a, { uid: `new${index}` })))
  leaving.socket.terminate()
  await untilGone(b, a)
  await elapse(DEAD_AFTER)
  a.resume()
  await coming
  const uids = ['staying', 'leaving', 'new0', 'new1', 'new2', 'new3', 'new4']
  const counts = (): Promise<number[]> => Promise.all(uids.map(async (uid) => (await connectionsOf(b, uid)).length))
  await until('it is back', async () => (await counts()).join() === '1,0,1,1,1,1,1', { every: 50 })
  await elapse(HEARTBEAT)
  assert.deepEqual(await counts(), [1, 0, 1, 1, 1, 1, 1])
  const nodes = await nodesSeenBy(b)
  for (const uid of uids)
    for (const { node } of await connectionsOf(b, uid)) assert.ok(nodes.includes(node), `${uid} is listed on ${node}`)
  staying.socket.terminate()
})
