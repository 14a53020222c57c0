import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { createServer } from '../../src/index.ts'
import { silent } from '../../src/logger.ts'
import { connect } from '../../src/testing.ts'
import { elapse, until } from '../support/until.ts'
import { driverWith, pushesTo, trusting } from './words.ts'

const SETTINGS = { prefix: 'p', heartbeat: 1_000, deadAfter: 60_000, storeWait: 60_000, maxInboxBytes: 1_024 * 1_024 }
test('forwarding to one user does not wait for another, however long that one takes', async (t) => {
  const store = memory()
  let slow: NodeId | undefined
  let letGo!: () => void
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const driver = driverWith(store, {
    queue: (queue) => ({
      publish: async (node, ...rest) => {
        if (node === slow) await held
        return queue.publish(node, ...rest)
      },
    }),
  })
  const left = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const others = [1, 2].map(() => createServer({ modules: [trusting], driver: store, logger: silent, ...SETTINGS }))
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

// Invariant D6: a push on its way after a user is not overtaken, and holds up nobody else.
test('pushes that wait for a user keep their order, whatever each of them waits for', async (t) => {
  const store = memory()
  const [sent, applied] = [newGate(), newGate()]
  let slow: NodeId | undefined
  let isBinding = false
  const driver = driverWith(store, {
    queue: (queue) => ({
      publish: async (node, ...rest) => {
        if (node === slow) await sent.opened
        return queue.publish(node, ...rest)
      },
    }),
    state: (state) => ({
      apply: async (...change) => {
        if (isBinding) await applied.opened
        return state.apply(...change)
      },
    }),
  })
  const here = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const there = createServer({ modules: [trusting], driver: store, logger: silent, ...SETTINGS })
  const [url, otherUrl] = await Promise.all([here.listen(0), there.listen(0)])
  const open = async (base: string | undefined, uid: string): ReturnType<typeof connect> => {
    const client = await connect(`${base}/ws?uid=${uid}`)
    t.after(() => client.close())
    return client
  }
  const [stays, leaves, ann] = [await open(url, 'u'), await open(url, 'u'), await open(url, 'ann')]
  await open(otherUrl, 'u')
  const queue = store.queue({ ...SETTINGS, logger: silent })
  t.after(async () => {
    sent.open()
    applied.open()
    await Promise.all([here, there].map((server) => server.close({ timeout: 100 })))
    await queue.close()
  })
  const inbox = here.cluster.self as NodeId
  leaves.close()
  await until('it has left', () => here.stats().connectionCount === 2)
  slow = there.cluster.self as NodeId
  // The first push is forwarded for the connection that has closed, the second waits for that, the third for a binding.
  for (const text of ['m1', 'm2']) await queue.publish(inbox, pushesTo(['u', 'ann'], text))
  await until('the second has been read', () => ann.received.length === 2)
  isBinding = true
  const binding = open(url, 'u')
  await until('another one comes', () => here.stats().connectionCount === 3)
  await elapse(20)
  await queue.publish(inbox, pushesTo(['u', 'ann'], 'm3'))
  await until('the third has been read', () => ann.received.length === 3)
  assert.deepEqual(stays.received, ['m1'])
  sent.open()
  await elapse(50)
  applied.open()
  await binding
  await until('all have come', () => stays.received.length === 3)
  assert.deepEqual(stays.received, ['m1', 'm2', 'm3'])
})

test('a forwarded push that meets a closing connection is forwarded again', async (t) => {
  const store = memory()
  const [unrouted, located] = [newGate(), newGate()]
  let isHeld = true
  let lookupCount = 0
  const driver = driverWith(store, {
    state: (state) => ({
      unroute: async (...args) => {
        await unrouted.opened
        return state.unroute(...args)
      },
      locate: async (lookup) => {
        const found = await state.locate(lookup)
        lookupCount++
        if (isHeld) await located.opened
        return found
      },
    }),
  })
  const server = createServer({ modules: [trusting], driver, logger: silent, ...SETTINGS })
  const url = await server.listen(0)
  const queue = store.queue({ ...SETTINGS, logger: silent })
  t.after(async () => {
    unrouted.open()
    located.open()
    await server.close({ timeout: 100 })
    await queue.close()
  })
  await queue.publish(server.cluster.self as NodeId, pushesTo(['u'], 'm1'))
  await elapse(20)
  // The user comes here before the push is forwarded, is found here, and goes before the push is handed over.
  const brief = await connect(`${url}/ws?uid=u`)
  unrouted.open()
  await until('the user was looked up', () => lookupCount === 1)
  brief.close()
  await until('the user has gone', () => server.stats().connectionCount === 0)
  isHeld = false
  located.open()
  await elapse(100)
  const back = await connect(`${url}/ws?uid=u`)
  t.after(() => back.close())
  await until('it has come', () => back.received.length === 1)
  assert.deepEqual(back.received, ['m1'])
})

function newGate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}
