import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { Routes } from '../../../src/drivers/routes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { elapse, until } from '../../support/until.ts'
import { userHere } from '../routes/words.ts'
import { calm, type Candidate, CONCURRENCY, joined, newNode, stage } from '../stage.ts'
import { asRenewed, liveNodes } from './words.ts'

/** The options of a test that is tried again if the machine stalls in the middle of it. */
const patient = { timeout: 60_000 }

export function eviction(candidate: () => Candidate<Nodes & Pick<Routes, 'apply'>>): void {
  describe('eviction', { concurrency: CONCURRENCY }, () => {
    it('answers `evicted` for ever once the lease was taken away', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [node, other] = [await joined(one), await joined(one)]
      assert.equal(await one.evict(node, 'evicted', other), 'claimed')
      assert.deepEqual(await state().renew(node, 0), { type: 'evicted' })
      assert.deepEqual(await one.renew(node, 0), { type: 'evicted' })
      await one.clean(node)
      await one.forget(node)
      assert.deepEqual(await one.renew(node, 0), { type: 'evicted' })
      assert.deepEqual(await liveNodes(one), [other])
    })

    it('tells a node that the store does not know to join again', async (t) => {
      const { state } = stage(t, candidate(), calm)
      assert.deepEqual(await state().renew(newNode(), 0), { type: 'evicted' })
    })

    it('does not let a report of its count list an evicted node again', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      await one.evict(node, 'closed', node)
      await one.reportCount(node, 3)
      assert.deepEqual(await liveNodes(one), [])
    })

    it('names a silent node to a steady one, and lets the steady one evict it', async (t) => {
      const { state } = stage(t, candidate())
      const one = state()
      const [silent, node] = [await joined(one), await joined(one)]
      await until('the silent node is overdue', async () => {
        const { overdue } = asRenewed(await one.renew(node, 0))
        assert.ok(!overdue.includes(node))
        return overdue.includes(silent)
      })
      await until('it may be evicted', async () => {
        await one.renew(node, 0)
        return (await one.evict(silent, 'dead', node)) === 'claimed'
      })
      assert.deepEqual((await one.nodes()).gone, [{ node: silent, reason: 'dead', cleaned: false }])
      assert.deepEqual(asRenewed(await one.renew(node, 0)).overdue, [])
    })

    it('names a node whose lease runs out to one that joined meanwhile, before any younger lease runs out', async (t) => {
      const { state, settings } = stage(t, candidate(), { heartbeat: 100, deadAfter: 1_000 })
      const one = state()
      // If the machine stalls, both leases may run out between two renewals. Then the test tries again.
      await until(
        'only the elder is named',
        async () => {
          const elder = await joined(one)
          await elapse(settings.deadAfter / 4)
          const younger = await joined(one)
          const node = await joined(one)
          const overdue = await firstOverdue(one, node)
          for (const old of [elder, younger, node]) await one.evict(old, 'evicted', node)
          return overdue.includes(elder) && !overdue.includes(younger)
        },
        patient,
      )
    })

    // Invariant N1: a silence of all counts as one heartbeat.
    it('names nobody after a silence of all nodes, and lets nobody be evicted, until a whole lease has passed', async (t) => {
      const { state, settings } = stage(t, candidate(), { heartbeat: 100, deadAfter: 1_000 })
      const one = state()
      await until(
        'the lease of who renewed as the silence ended lasts as long as the lease of who did not',
        async () => {
          const [silent, node] = [await joined(one), await joined(one)]
          // This looks as if the store had been away.
          await elapse(settings.deadAfter * 1.5)
          assert.ok(!asRenewed(await one.renew(node, 0)).overdue.includes(silent))
          assert.equal(await one.evict(silent, 'dead', node), 'refused')
          const other = await joined(one)
          const overdue = await firstOverdue(one, other)
          for (const old of [silent, node, other]) await one.evict(old, 'evicted', other)
          return overdue.includes(silent) && overdue.includes(node)
        },
        patient,
      )
    })

    it('lets nodes go on that were silent with all others, even if a node that joins is the first back', async (t) => {
      const { state, settings } = stage(t, candidate())
      const one = state()
      const silent = await joined(one)
      await elapse(settings.deadAfter * 1.5)
      const node = await joined(one)
      assert.deepEqual(asRenewed(await one.renew(node, 0)).overdue, [])
      assert.equal(await one.evict(silent, 'dead', node), 'refused')
      assert.equal((await one.renew(silent, 0)).type, 'renewed')
    })

    // Invariant N2: a node that missed its turn gets no new lease from a gap.
    it('names a dead node after a bounded number of lives of a single node that keeps crashing', async (t) => {
      const { state, settings } = stage(t, candidate())
      const one = state()
      const ghost = await joined(one)
      const most = 3 + settings.deadAfter / settings.heartbeat
      for (let lives = 1; ; lives++) {
        assert.ok(lives <= most, `it is still not named after ${most} lives`)
        // No other node is heard meanwhile. Each life is far shorter than a lease, and each pause is longer.
        await elapse(settings.deadAfter)
        const node = await joined(one)
        const { overdue } = asRenewed(await one.renew(node, 0))
        if (!overdue.includes(ghost)) continue
        assert.equal(await one.evict(ghost, 'dead', node), 'claimed')
        return
      }
    })

    // Invariant N3: only a live node declares another one dead, and only once that lease has run out.
    it('lets only a live node evict another as dead', async (t) => {
      const { state } = stage(t, candidate())
      const one = state()
      const [silent, node] = [await joined(one), await joined(one)]
      await firstOverdue(one, node)
      assert.equal(await one.evict(silent, 'dead', newNode()), 'refused')
      assert.ok((await liveNodes(one)).includes(silent))
      assert.equal(await one.evict(silent, 'dead', node), 'claimed')
    })

    it('does not evict as dead a node whose lease runs again', async (t) => {
      // This is so long that no pause of a busy machine makes a live node look dead.
      const { state } = stage(t, candidate(), { heartbeat: 1_000, deadAfter: 5_000 })
      const one = state()
      const [node, living, silent] = [await joined(one), await joined(one), await joined(one)]
      await until('the silent one is overdue', async () => {
        await one.renew(living, 0)
        return asRenewed(await one.renew(node, 0)).overdue.includes(silent)
      })
      await one.renew(living, 0)
      assert.equal(await one.evict(living, 'dead', node), 'refused')
      assert.equal((await one.renew(living, 0)).type, 'renewed')
      assert.equal((await one.apply(living, [userHere('u1')])).type, 'applied')
      await one.renew(silent, 0)
      assert.equal(await one.evict(silent, 'dead', node), 'refused')
      assert.equal((await one.renew(silent, 0)).type, 'renewed')
    })

    it('is safe twice and at once: the first reason stays, and the node is listed once', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const [node, other] = [await joined(one), await joined(two)]
      const answers = await Promise.all([one.evict(node, 'evicted', other), two.evict(node, 'evicted', other)])
      assert.deepEqual(answers, ['claimed', 'claimed'], 'its own claim is no hindrance')
      await one.evict(node, 'closed', other)
      assert.deepEqual((await one.nodes()).gone, [{ node, reason: 'evicted', cleaned: false }])
      assert.deepEqual(await liveNodes(one), [other])
    })

    it('keeps a gone node listed until it was cleaned up, and still after that', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      await one.evict(node, 'closed', node)
      assert.deepEqual((await one.nodes()).gone, [{ node, reason: 'closed', cleaned: false }])
      await one.clean(node)
      await one.forget(node)
      await one.forget(node)
      assert.deepEqual((await one.nodes()).gone, [{ node, reason: 'closed', cleaned: true }])
    })

    // Invariant N4: a claim saves work and guards nothing.
    it('gives the claim to one of the nodes that see a death at once, and tells no other to clean up meanwhile', async (t) => {
      // A claim lasts half a heartbeat: here longer than any machine takes to open five connections.
      const { state } = stage(t, candidate(), { heartbeat: 120_000, deadAfter: 600_000 })
      const one = state()
      const [node, ...others] = await Promise.all(Array.from({ length: 6 }, () => joined(one)))
      const answers = await Promise.all(others.map((other) => state().evict(node!, 'evicted', other)))
      assert.deepEqual(answers.toSorted(), ['claimed', 'held', 'held', 'held', 'held'])
      for (const other of others) assert.deepEqual(asRenewed(await one.renew(other, 0)).orphaned, [])
    })

    it('tells everyone of a gone node whose claim has lapsed, until another has it, and never once it is cleaned up', async (t) => {
      const { state } = stage(t, candidate(), { heartbeat: 100, deadAfter: 600_000 })
      const one = state()
      const [node, dies, a, b] = [await joined(one), await joined(one), await joined(one), await joined(one)]
      assert.equal(await one.evict(node, 'evicted', dies), 'claimed')
      const isOrphaned = async (by: NodeId): Promise<boolean> =>
        asRenewed(await one.renew(by, 0)).orphaned.includes(node)
      await until('both see it', async () => (await isOrphaned(a)) && (await isOrphaned(b)))
      assert.equal(await one.evict(node, 'dead', a), 'claimed')
      assert.equal(await one.claim(node, a, 60_000), true)
      assert.equal(await one.evict(node, 'dead', b), 'held')
      assert.equal(await one.claim(node, dies, 60_000), false, 'it comes too late')
      assert.equal(await isOrphaned(b), false)
      await one.forget(node)
      assert.equal(await isOrphaned(b), false)
      assert.equal(await one.evict(node, 'dead', b), 'held')
      assert.deepEqual((await one.nodes()).gone, [{ node, reason: 'evicted', cleaned: true }])
    })

    it('lets a claim lapse while nobody is heard: a node that starts next finds the gone node orphaned at once', async (t) => {
      const { state } = stage(t, candidate(), { heartbeat: 100, deadAfter: 600 })
      const one = state()
      const [node, dies] = [await joined(one), await joined(one)]
      await one.evict(node, 'evicted', dies)
      const ttl = 1_000
      await one.claim(node, dies, ttl)
      // By the time that leases run by, this is one heartbeat.
      await elapse(ttl + 100)
      const next = await joined(one)
      assert.deepEqual(asRenewed(await one.renew(next, 0)).orphaned, [node])
    })

    it('gives a claim to the first to ask, until it lapses; none on a node that lives or was cleaned up', async (t) => {
      const { state } = stage(t, candidate(), { ...calm, heartbeat: 20 })
      const one = state()
      const [node, a, b, c] = [await joined(one), await joined(one), await joined(one), await joined(one)]
      assert.equal(await one.claim(node, a, 60_000), false, 'it lives')
      await one.evict(node, 'evicted', a)
      await until('the claim of who evicted it lapses', () => one.claim(node, b, 60_000))
      const answers = await Promise.all([one.claim(node, a, 60_000), state().claim(node, c, 60_000)])
      assert.deepEqual(answers, [false, false])
      assert.equal(await one.claim(node, b, 100), true, 'it may claim again')
      await until('the claim lapses', () => one.claim(node, a, 60_000))
      await one.forget(node)
      assert.equal(await one.claim(node, a, 60_000), false, 'there is nothing left to do')
    })
  })
}

/** Renews until a node is overdue, and answers which. */
async function firstOverdue(state: Nodes, node: NodeId): Promise<readonly NodeId[]> {
  let overdue: readonly NodeId[] = []
  await until('somebody is overdue', async () => {
    overdue = asRenewed(await state.renew(node, 0)).overdue
    return overdue.length > 0
  })
  return overdue
}
