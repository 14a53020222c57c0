import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientConnection } from '../../src/connection/client-connection.ts'
import { Deliveries } from '../../src/delivery/deliveries.ts'
import { FanOut } from '../../src/delivery/fan-out.ts'
import { Hub } from '../../src/delivery/hub.ts'
import type { PushEnvelope } from '../../src/envelope/envelope.ts'
import type { Group, PushId, Uid } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { acrossPartitions } from '../../src/envelope/stamps.ts'
import { Handover } from '../../src/outbound/handover.ts'
import { bound, newConnection } from '../support/bound-connection.ts'
import { costOf } from '../support/cost.ts'
import { stepsIn } from '../support/steps.ts'

let sequence = 0

function pushTo(uid: string, stamp: number, more: Partial<PushEnvelope> = {}): PushEnvelope {
  const to = { type: 'users' as const, users: [{ uid: uid as Uid, stamp }] }
  return {
    type: 'push',
    id: `p${++sequence}` as PushId,
    to,
    payload: encodePayload('x'),
    hops: 0,
    resent: false,
    ...more,
  }
}

const got = (connection: ClientConnection): boolean => connection.bufferedAmount > 0

// Invariant R5: a re-sent copy is only for connections younger than the lookup of the first.
test('a first copy reaches every connection of the user, young or old', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const old = bound(hub, 'u', 10)
  const young = bound(hub, 'u', 30)
  assert.deepEqual(fanOut.deliver(pushTo('u', 20)), {
    deliveredCount: 2,
    gone: undefined,
    partlyGone: undefined,
  })
  assert.deepEqual([got(old), got(young)], [true, true])
})

test('a re-sent copy reaches only connections younger than the lookup of the first', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const old = bound(hub, 'u', 10)
  const young = bound(hub, 'u', 30)
  fanOut.deliver(pushTo('u', 20, { resent: true }))
  assert.deepEqual([got(old), got(young)], [false, true])
})

test('a connection that had the first copy does not get the re-sent one, nor the other way round', () => {
  for (const [first, second] of [
    [false, true],
    [true, false],
  ]) {
    const hub = new Hub()
    const fanOut = new FanOut(hub)
    bound(hub, 'u', 30)
    const id = 'same' as PushId
    assert.equal(fanOut.deliver(pushTo('u', 20, { id, resent: first! })).deliveredCount, 1)
    assert.equal(fanOut.deliver(pushTo('u', 20, { id, resent: second! })).deliveredCount, 0)
  }
})

// Invariant R8: a binding without a stamp is younger than every lookup.
test('a binding that the store has not stamped yet counts as younger than any lookup', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const connection = newConnection()
  hub.add(connection)
  hub.setUid(connection, 'u' as Uid)
  assert.equal(fanOut.deliver(pushTo('u', Number.MAX_SAFE_INTEGER, { resent: true })).deliveredCount, 1)
})

test('a user who is not here is gone, and one whose connection has closed since the lookup is partly gone', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const away = (uid: string): unknown[] => {
    const { gone, partlyGone } = fanOut.deliver(pushTo(uid, 20))
    return [gone, partlyGone]
  }
  assert.deepEqual(away('nobody'), [[{ uid: 'nobody', stamp: 20 }], undefined])
  bound(hub, 'u', 10)
  const leaving = bound(hub, 'u', 10)
  assert.deepEqual(away('u'), [undefined, undefined])
  hub.remove(leaving)
  assert.deepEqual(away('u'), [undefined, [{ uid: 'u', stamp: 20 }]])
  hub.stampUserDepartures('u' as Uid, hub.unstampedUserDepartures('u' as Uid), 20)
  assert.deepEqual(away('u'), [undefined, undefined], 'this lookup knew that the connection had closed')
})

test('a member who had the first copy by one group gets no re-sent copy by another group it joined since', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const member = bound(hub, 'm', 1)
  for (const [group, stamp] of [
    ['g1', 5],
    ['g2', 30],
  ] as const) {
    hub.join(member, group as Group)
    member.setGroupStamp(group as Group, stamp)
  }
  const groups = ['g1', 'g2'].map((group) => ({ group: group as Group, stamp: 20 }))
  const push = { ...pushTo('', 0), to: { type: 'groups' as const, groups } }
  assert.equal(fanOut.deliver(push).deliveredCount, 1)
  assert.equal(fanOut.deliver({ ...push, resent: true }).deliveredCount, 0)
})

/** Recipients in a group whose partition's clock is 50 ms ahead of that of the users' partitions. */
const lookedUp = 1_700_000_000_050_000
const toGroup = { type: 'groups' as const, groups: [{ group: 'g' as Group, stamp: lookedUp }] }

function memberSince(hub: Hub, uid: string, uidStamp: number): ClientConnection {
  const member = bound(hub, uid, uidStamp)
  hub.join(member, 'g' as Group)
  member.setGroupStamp('g' as Group, lookedUp - 10)
  return member
}

// Invariant R7: a group's stamp is compared with a user's with a second to spare.
test('a member who moves while a push to the group is on its way counts as new, although masters differ in their clocks', () => {
  const [left, moved] = [new Hub(), new Hub()]
  const leaving = memberSince(left, 'u', lookedUp - 5_000_000)
  left.remove(leaving)
  left.stampDeparture('g' as Group, leaving.id, lookedUp + 1)
  const { gone } = new FanOut(left).deliver({ ...pushTo('', 0), to: toGroup })
  // In real time the lookup came before this.
  const newcomer = bound(moved, 'u', lookedUp - 49_000)
  assert.equal(
    new FanOut(moved).deliver({ ...pushTo('', 0), to: { type: 'users', users: gone! }, resent: true }).deliveredCount,
    1,
  )
  assert.ok(got(newcomer))
})

for (const order of ['first', 'last']) {
  test(`a member who was bound just before a push to the group gets it once if a copy for the user comes ${order}`, () => {
    const hub = new Hub()
    const fanOut = new FanOut(hub)
    memberSince(hub, 'u', lookedUp - 60_000)
    memberSince(hub, 'settled', lookedUp - 5_000_000)
    const push = { ...pushTo('', 0), to: toGroup }
    const copy = { ...push, to: pushTo('u', lookedUp - 1_000_000).to, resent: true }
    const copies = order === 'first' ? [copy, push] : [push, copy]
    assert.deepEqual(
      copies.map((each) => fanOut.deliver(each).deliveredCount),
      order === 'first' ? [1, 1] : [2, 0],
    )
  })
}

test('a member who left is remembered until no push can arrive that is still for that user, however long that takes', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const member = bound(hub, 'm', 10)
  hub.join(member, 'g' as Group)
  hub.remove(member)
  hub.stampDeparture('g' as Group, member.id, 1_000)
  const departedAt = (stamp: number): unknown => {
    const to = { type: 'groups' as const, groups: [{ group: 'g' as Group, stamp }] }
    return fanOut.deliver(pushTo('', 0, { to })).gone
  }
  const theirs = [{ uid: 'm', stamp: acrossPartitions(999) }]
  assert.deepEqual([departedAt(999), departedAt(1_000)], [theirs, undefined])
  hub.forgetDeparted(999)
  assert.deepEqual(departedAt(999), theirs)
  hub.forgetDeparted(1_000)
  assert.deepEqual([departedAt(999), hub.forgottenDepartureCount], [undefined, 0])
})

test('a push to groups skips the excepted and reaches a member of two groups once', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const [a, b] = [bound(hub, 'a', 1), bound(hub, 'b', 1)]
  for (const connection of [a, b]) for (const group of ['g', 'h']) hub.join(connection, group as Group)
  const groups = ['g', 'h'].map((group) => ({ group: group as Group, stamp: 5 }))
  const except = { uids: ['b' as Uid], connections: [] }
  const push = { ...pushTo('', 0), to: { type: 'groups' as const, groups }, except }
  assert.equal(fanOut.deliver(push).deliveredCount, 1)
  assert.deepEqual([got(a), got(b)], [true, false])
})

test('a push whose id was given reaches a connection once, however often it was stored; others are not remembered', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const [first, later] = [bound(hub, 'u', 1), newConnection()]
  for (const to of [pushTo('u', 20).to, { type: 'all' }, { type: 'connections', connections: [first.id] }] as const) {
    const push = { ...pushTo('u', 20), to, named: true as const }
    assert.equal(fanOut.deliver(push).deliveredCount, 1)
    assert.equal(fanOut.deliver(push).deliveredCount, 0)
    assert.equal(fanOut.deliver({ ...pushTo('u', 20), id: push.id, to }).deliveredCount, 1)
  }
  const push = { ...pushTo('u', 20), named: true as const }
  fanOut.deliver(push)
  hub.add(later)
  hub.setUid(later, 'u' as Uid)
  assert.equal(fanOut.deliver(push).deliveredCount, 1, 'a connection that has not had it gets it')
})

test('a push with an id is remembered as one record, however many have had it, and other pushes do not displace it', () => {
  const deliveries = new Deliveries()
  const hub = new Hub(deliveries)
  const fanOut = new FanOut(hub)
  for (let index = 0; index < 5_000; index++) hub.join(bound(hub, `u${index}`, 1), 'g' as Group)
  const to = { type: 'groups' as const, groups: [{ group: 'g' as Group, stamp: 5 }] }
  const pushes = Array.from({ length: 50 }, () => pushTo('', 0, { to, named: true }))
  for (const push of pushes) assert.equal(fanOut.deliver(push).deliveredCount, 5_000)
  assert.equal(deliveries.size, 50)
  for (let index = 0; index < 250_000; index++) deliveries.addAll(pushTo(`u${index}`, 5, { named: true }))
  for (const push of pushes) assert.equal(fanOut.deliver(push).deliveredCount, 0)
  assert.equal(deliveries.forgottenCount, 0)
})

test('a connection that changed user or group counts as what it was when the push was delivered', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const [g, h] = ['g', 'h'].map((group) => group as Group) as [Group, Group]
  const mover = bound(hub, 'u', 1)
  hub.join(mover, g)
  const toGroup = (group: Group, id: string): PushEnvelope =>
    pushTo('', 0, { id: id as PushId, to: { type: 'groups', groups: [{ group, stamp: 5 }] }, named: true })
  const countOf = (push: PushEnvelope): number => fanOut.deliver(push).deliveredCount
  assert.equal(countOf(toGroup(g, 'g1')), 1)
  fanOut.deliver(toGroup(h, 'h1'))
  bound(hub, 'other', 1)
  hub.leave(mover, g)
  hub.join(mover, h)
  assert.equal(countOf(toGroup(h, 'h1')), 1, 'the connection was not in that group yet')
  assert.equal(countOf(toGroup(h, 'h1')), 0)
  hub.join(mover, g)
  assert.equal(countOf(toGroup(g, 'g1')), 0, 'the connection was in this group before')
})

test('a delivery that is forgotten early because of the bound is counted', () => {
  const deliveries = new Deliveries({ limit: 3 })
  const hub = new Hub(deliveries)
  const fanOut = new FanOut(hub)
  bound(hub, 'u', 1)
  const pushes = Array.from({ length: 5 }, () => pushTo('u', 5, { named: true }))
  for (const push of pushes) assert.equal(fanOut.deliver(push).deliveredCount, 1)
  assert.deepEqual([deliveries.size, deliveries.forgottenCount], [3, 2])
})

test('deliveries are forgotten when their time is over', () => {
  const deliveries = new Deliveries({ keepFor: -1 })
  const hub = new Hub(deliveries)
  const fanOut = new FanOut(hub)
  const member = bound(hub, 'u', 1)
  fanOut.deliver(pushTo('u', 5, { named: true }))
  hub.join(member, 'g' as Group)
  deliveries.forgetOld()
  assert.deepEqual([deliveries.size, deliveries.forgottenCount], [0, 0])
})

// Invariant A4: a connection gets the broadcasts whose offset comes after it.
test('a replayed broadcast is for connections that came after it, even if a lost store numbers from the start again', () => {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  const deliver = (offset: number, resent: boolean): void => {
    fanOut.deliver(pushTo('', 0, { to: { type: 'all' }, resent }), new Handover(offset))
  }
  const withLoss = bound(hub, 'u', 1)
  deliver(1_000, false)
  const before = bound(hub, 'u', 1)
  deliver(100, false)
  const after = bound(hub, 'u', 1)
  const sizes = (): number[] => [withLoss, before, after].map(({ bufferedAmount }) => bufferedAmount / 3)
  assert.deepEqual(sizes(), [2, 1, 0])
  deliver(100, true)
  assert.deepEqual(sizes(), [2, 1, 1])
})

/** Fills a hub with `size` users, each in a group of its own. Each push names all of them and excepts as many others. */
function crowdOf(size: number): () => void {
  const hub = new Hub()
  const fanOut = new FanOut(hub)
  for (let index = 0; index < size; index++) {
    hub.join(bound(hub, `u${index}`, 10), `g${index}` as Group)
  }
  const ids = Array.from({ length: size }, (_, index) => index)
  const except = { uids: ids.map((id) => `x${id}` as Uid), connections: [] }
  const users = ids.map((id) => ({ uid: `u${id}` as Uid, stamp: 20 }))
  const groups = ids.map((id) => ({ group: `g${id}` as Group, stamp: 20 }))
  return () => {
    for (const to of [{ type: 'all' }, { type: 'users', users }, { type: 'groups', groups }] as const) {
      assert.equal(fanOut.deliver(pushTo('nobody', 20, { to, except })).deliveredCount, size)
    }
  }
}

test('a push costs in proportion to the names or to the connections, not to their product', () => {
  const [few, many] = [crowdOf(500), crowdOf(5_000)]
  const cost = costOf(many, few)
  assert.ok(cost < 50, `${cost.toFixed(1)} times as much for ten times as many: 100 would be the product`)
})

test('remembering who has had a push takes as many steps for many receivers as for few', async () => {
  const stepsFor = async (size: number): Promise<number> => {
    const hub = new Hub()
    const fanOut = new FanOut(hub)
    for (let index = 0; index < size; index++) hub.join(bound(hub, `u${index}`, 1), 'g' as Group)
    const to = { type: 'groups' as const, groups: [{ group: 'g' as Group, stamp: 5 }] }
    const push = pushTo('', 0, { to, named: true })
    return stepsIn('delivery/deliveries.ts', () => assert.equal(fanOut.deliver(push).deliveredCount, size))
  }
  const steps = await stepsFor(50)
  assert.ok(steps > 0, 'steps are counted')
  assert.equal(await stepsFor(500), steps)
})
