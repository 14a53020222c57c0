import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Nodes } from '../../../src/drivers/nodes.ts'
import type { Change, Routes } from '../../../src/drivers/routes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'
import { hostileIds } from '../../support/arbitraries.ts'
import { asGroup, asUid, calm, type Candidate, CONCURRENCY, idsOf, joined, newConnection, stage } from '../stage.ts'
import { appliedTo, memberGone, memberHere, routesOf, userGone, userHere, whereIs } from './words.ts'

export function bindings(candidate: () => Candidate<Nodes & Routes>): void {
  describe('bindings', { concurrency: CONCURRENCY }, () => {
    it('locates a user on every node where it is connected, and nowhere else', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      await joined(one)
      await one.apply(a, [userHere('u1')])
      await one.apply(b, [userHere('u1'), userHere('u2')])
      assert.deepEqual(await whereIs(one, 'u1'), [a, b].toSorted())
      assert.deepEqual(await whereIs(one, 'u2'), [b])
      assert.deepEqual(await whereIs(one, 'u3'), [])
      await one.apply(a, [userGone('u1')])
      assert.deepEqual(await whereIs(one, 'u1'), [b])
      await one.apply(b, [userGone('u1')])
      assert.deepEqual(await whereIs(one, 'u1'), [])
    })

    it('keeps every device of a user on a node, and drops the route with the last', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const devices = [newConnection('u1'), newConnection('u1'), newConnection('u1')]
      await one.apply(node, [userHere('u1', devices)])
      assert.deepEqual(idsOf(await one.connections(asUid('u1'))), idsOf(devices))
      await one.apply(node, [userHere('u1', devices.slice(1))])
      assert.deepEqual(idsOf(await one.connections(asUid('u1'))), idsOf(devices.slice(1)))
      assert.deepEqual(await whereIs(one, 'u1'), [node])
      await one.apply(node, [userGone('u1')])
      assert.deepEqual(await one.connections(asUid('u1')), [])
    })

    // Invariant R2: a write says how things are, so it may come late or twice.
    it('is not changed by what is written twice', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const connection = newConnection('u1')
      const changes: Change[] = [
        userHere('u1', [connection]),
        { type: 'connection', connection: connection.connection, present: true },
        memberHere('g1', connection),
      ]
      await one.apply(node, changes)
      await one.apply(node, changes)
      assert.deepEqual(idsOf(await one.connections(asUid('u1'))), [connection.connection])
      assert.equal((await one.members(asGroup('g1'), 10)).memberCount, 1)
      const gone: Change[] = [userGone('u1'), memberGone('g1', connection)]
      await one.apply(node, gone)
      await one.apply(node, gone)
      assert.deepEqual(await whereIs(one, 'u1'), [])
      assert.equal((await one.members(asGroup('g1'), 10)).memberCount, 0)
    })

    it('tells the connections of a user on all nodes with their metadata', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const here = { ...newConnection('u1'), path: '/chat/ü "x",\\ \n{}', ip: '::ffff:10.0.0.1' }
      const there = { ...newConnection('u1'), path: '', ip: '', since: 0 }
      await one.apply(a, [userHere('u1', [here])])
      await one.apply(b, [userHere('u1', [there])])
      const found = await state().connections(asUid('u1'))
      assert.deepEqual(
        found.toSorted((left, right) => right.since - left.since),
        [
          { ...here, node: a },
          { ...there, node: b },
        ],
      )
    })

    it('takes any uid: each is its own, whatever it looks like', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const uids = hostileIds.map(asUid)
      const here = uids.filter((_, index) => index % 2 === 0)
      await one.apply(
        a,
        here.map((uid) => userHere(uid)),
      )
      const located = await one.locate({ uids, groups: [], connections: [] })
      for (const [index, uid] of uids.entries()) {
        assert.deepEqual(located.uids[index]!.nodes, here.includes(uid) ? [a] : [], JSON.stringify(uid))
      }
      await one.apply(
        b,
        uids.map((uid) => userHere(uid)),
      )
      for (const uid of uids) assert.equal((await one.connections(uid)).length, here.includes(uid) ? 2 : 1)
      await one.apply(
        a,
        uids.map((uid) => userGone(uid)),
      )
      for (const uid of uids) assert.deepEqual(await whereIs(one, uid), [b], JSON.stringify(uid))
    })

    it('answers a lookup of many keys in one call, in the order of what was asked', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const nodes = [await joined(one), await joined(one), await joined(one)]
      const records = Array.from({ length: 300 }, (_, index) => newConnection(`user-${index}`))
      const nodeOf = (index: number): NodeId => nodes[index % 3]!
      for (const node of nodes) {
        const mine = records.filter((_, index) => nodeOf(index) === node)
        await one.apply(
          node,
          mine.flatMap((record) => [
            userHere(record.uid!, [record]),
            { type: 'connection' as const, connection: record.connection, present: true },
            memberHere(`group-${record.uid}`, record),
          ]),
        )
      }
      const order = records.map((_, index) => (index * 7) % 300)
      const located = await one.locate({
        uids: [...order.map((index) => asUid(`user-${index}`)), asUid('nobody'), asUid('user-0')],
        groups: [...order.map((index) => asGroup(`group-user-${index}`)), asGroup('none')],
        connections: order.map((index) => ({ connection: records[index]!.connection, node: nodeOf(index) })),
      })
      const expected = order.map((index) => [nodeOf(index)])
      assert.deepEqual(
        located.uids.map(({ nodes: found }) => found),
        [...expected, [], [nodes[0]]],
      )
      assert.deepEqual(
        located.groups.map(({ nodes: found }) => found),
        [...expected, []],
      )
      assert.deepEqual(
        located.connections.map(({ nodes: found }) => found),
        expected,
      )
    })

    it('answers an empty lookup and takes an empty change', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      assert.deepEqual(await one.locate({ uids: [], groups: [], connections: [] }), {
        uids: [],
        groups: [],
        connections: [],
      })
      assert.deepEqual(await one.apply(node, []), { type: 'applied', stamps: [], parked: [] })
    })

    it('says that a lookup is settled while nothing was lost', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      await joined(one)
      const { uids, groups: found } = await one.locate({
        uids: [asUid('u1')],
        groups: [asGroup('g1')],
        connections: [],
      })
      assert.deepEqual([uids[0]!.settled, found[0]!.settled], [true, true])
    })

    it('locates a connection, bound to a user or not, on its node and on no other', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      const { connection } = newConnection()
      const find = async (node: NodeId): Promise<readonly NodeId[]> => {
        const located = await one.locate({ uids: [], groups: [], connections: [{ connection, node }] })
        return located.connections[0]!.nodes
      }
      assert.deepEqual(await find(a), [])
      await one.apply(a, [{ type: 'connection', connection, present: true }])
      assert.deepEqual(await find(a), [a])
      assert.ok(!(await find(b)).includes(b))
      await one.apply(a, [{ type: 'connection', connection, present: false }])
      assert.deepEqual(await find(a), [])
    })

    // Invariant R3: stamps never run back, and leaving raises them too.
    it('gives each binding a larger stamp than any lookup gave before, and lookups no smaller one from then on', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      let last = 0
      for (let round = 0; round < 20; round++) {
        const node = round % 2 === 0 ? a : b
        const { stamps } = await appliedTo(one, node, [userHere('u1'), memberHere('g1', newConnection('u1'))])
        assert.equal(stamps.length, 2)
        const route = await routesOf(one, 'u1', 'g1')
        assert.ok(
          stamps.every((stamp) => stamp > last && Number.isSafeInteger(stamp)),
          `${stamps.join()} after ${last}`,
        )
        assert.ok(route.user.stamp >= stamps[0]! && route.group.stamp >= stamps[1]!)
        last = Math.max(route.user.stamp, route.group.stamp)
        if (round % 5 === 4) await one.apply(node, [userGone('u1')])
      }
    })

    it('gives a larger stamp to a user who leaves, too, with one connection of several, with the last, or without having been bound', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const [one, two] = [state(), state()]
      const [a, b] = [await joined(one), await joined(two)]
      const [phone, laptop, other] = [newConnection('u1'), newConnection('u1'), newConnection('u1')]
      const steps: [Routes, NodeId, Change][] = [
        [one, a, userGone('u1')],
        [one, a, userHere('u1', [phone, laptop])],
        [two, b, userHere('u1', [other])],
        [one, a, userHere('u1', [laptop])],
        [one, a, userGone('u1')],
        [two, b, userGone('u1')],
        [two, b, userGone('u1')],
        [one, a, userHere('u1', [phone])],
        [one, a, memberGone('g1', phone)],
        [one, a, memberHere('g1', phone)],
        [two, b, memberHere('g1', other)],
        [one, a, memberGone('g1', phone)],
        [two, b, memberGone('g1', other)],
        [two, b, memberHere('g1', other)],
      ]
      let before = await routesOf(two, 'u1', 'g1')
      for (const [index, [from, node, change]] of steps.entries()) {
        const { stamps } = await appliedTo(from, node, [change])
        const after = await routesOf(two, 'u1', 'g1')
        const [was, is] = change.type === 'user' ? [before.user, after.user] : [before.group, after.group]
        assert.ok(was.stamp < stamps[0]!, `step ${index}: ${stamps[0]} after a lookup gave ${was.stamp}`)
        assert.ok(stamps[0]! <= is.stamp, `step ${index}: a lookup gives ${is.stamp} after ${stamps[0]}`)
        before = after
      }
    })

    it('answers a larger stamp once a dead node was cleaned, which is when its users have left it', async (t) => {
      const one = stage(t, candidate(), calm).state()
      const [dead, node] = [await joined(one), await joined(one)]
      await one.apply(dead, [userHere('u1'), memberHere('g1', newConnection('u1'))])
      const before = await routesOf(one, 'u1', 'g1')
      await one.evict(dead, 'evicted', node)
      await one.fence(dead)
      await one.clean(dead)
      const after = await routesOf(one, 'u1', 'g1')
      assert.ok(before.user.stamp < after.user.stamp && before.group.stamp < after.group.stamp)
    })

    it('gives growing stamps to bindings of one call', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const node = await joined(one)
      const { stamps } = await appliedTo(
        one,
        node,
        Array.from({ length: 50 }, () => userHere('u1')),
      )
      for (const [index, stamp] of stamps.entries()) if (index > 0) assert.ok(stamp > stamps[index - 1]!)
    })

    // Invariant R10: only a node without the user takes itself out of the route.
    it('takes a node out of a route only if the node has no connection of the user', async (t) => {
      const { state } = stage(t, candidate(), calm)
      const one = state()
      const [a, b] = [await joined(one), await joined(one)]
      await one.apply(a, [userHere('u1')])
      await one.unroute(a, [asUid('u1')])
      await one.unroute(b, [asUid('u1'), asUid('nobody')])
      await one.unroute(b, [])
      assert.deepEqual(await whereIs(one, 'u1'), [a])
      assert.equal((await one.connections(asUid('u1'))).length, 1)
    })
  })
}
