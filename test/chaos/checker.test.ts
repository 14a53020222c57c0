import { deepEqual, equal, match } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check } from '../../lab/chaos/checker/check.ts'
import type { Finding, PromiseName } from '../../lab/chaos/checker/verdict.ts'
import { HandMade, member, receive } from './histories.ts'

const TIMES = { heartbeat: 1_000, deadAfter: 4_000, slack: 0 }

function findingOf(made: HandMade, promise: PromiseName): Finding {
  return check(made.history, TIMES).findings.find((finding) => finding.promise === promise)!
}

/** The promises that the checker finds broken. */
function broken(made: HandMade): PromiseName[] {
  const { findings } = check(made.history, TIMES)
  return findings.filter(({ violations }) => violations.length > 0).map(({ promise }) => promise)
}

describe('the checker', () => {
  it('finds nothing if everything arrived once and in order', () => {
    const made = new HandMade()
    const client = made.connection({ memberships: [member('g')] })
    receive(client, made.push({}))
    receive(client, made.push({ kind: 'group', uids: [], group: 'g', firstCalledAt: 10_020 }))
    receive(client, made.push({ kind: 'all', uids: [], firstCalledAt: 10_040 }))
    deepEqual(broken(made), [])
  })

  describe('lost', () => {
    it('a push resolved and its user stayed connected, but it never arrived', () => {
      const made = new HandMade()
      made.connection()
      made.push({})
      deepEqual(broken(made), ['lost'])
    })

    it('the same if the user left in good order and was back within a minute', () => {
      const made = new HandMade()
      made.connection({ leavingAt: 10_002, closedAt: 10_020, ending: 'left' })
      made.connection({ openedAt: 30_000 })
      made.push({})
      deepEqual(broken(made), ['lost'])
    })

    it('excused if the user came back later than that', () => {
      const made = new HandMade()
      made.connection({ leavingAt: 10_002, closedAt: 10_020, ending: 'left' })
      made.connection({ openedAt: 75_000 })
      made.push({})
      equal(findingOf(made, 'lost').exempt.get('its user did not come back in time'), 1)
      deepEqual(broken(made), [])
    })

    it('excused if the client vanished after the push was called', () => {
      const made = new HandMade()
      made.connection({ leavingAt: 10_001, closedAt: 10_001, ending: 'vanished' })
      made.connection({ openedAt: 12_000 })
      made.push({})
      equal(
        findingOf(made, 'lost').exempt.get('its client vanished before it received the push, or was not reading'),
        1,
      )
      deepEqual(broken(made), [])
    })

    it('not excused if the client had vanished before the push was called', () => {
      const made = new HandMade()
      made.connection({ leavingAt: 8_000, closedAt: 8_000, ending: 'vanished' })
      made.connection({ openedAt: 9_000 })
      made.push({})
      deepEqual(broken(made), ['lost'])
    })

    it('only one of two connections received it', () => {
      const made = new HandMade()
      const [phone] = [made.connection(), made.connection()]
      receive(phone, made.push({}))
      deepEqual(broken(made), ['lost'])
    })

    it('excused if the store held it when its data was destroyed', () => {
      const made = new HandMade()
      made.connection()
      made.push({})
      made.fault({
        name: 'store-loss',
        slots: [],
        from: 10_100,
        to: 12_000,
        destroyed: { what: 'all', from: 10_100, to: 12_000 },
      })
      equal(findingOf(made, 'lost').exempt.get("lost with the store's data"), 1)
      deepEqual(broken(made), [])
    })

    it('excused if its node had not read that far when the data was destroyed', () => {
      const expected = [
        [9_000, 0],
        [3_000, 1],
      ] as const
      for (const [behind, count] of expected) {
        const made = new HandMade()
        const { slot } = made.connection()
        made.push({})
        const look = { node: 'n0-a', slot, entries: 1 }
        made.history.inboxes.push({ ...look, at: 17_000, behind }, { ...look, at: 23_000, behind: 0 })
        made.fault({ slots: [], from: 18_000, to: 20_000, destroyed: { what: 'all', from: 18_000, to: 20_000 } })
        equal(findingOf(made, 'lost').violations.length, count)
      }
    })

    it('not excused if it was pushed after that, or long before', () => {
      for (const firstCalledAt of [3_000, 13_000]) {
        const made = new HandMade()
        made.connection()
        made.push({ firstCalledAt })
        made.fault({ slots: [], from: 10_100, to: 12_000, destroyed: { what: 'all', from: 10_100, to: 12_000 } })
        deepEqual(broken(made), ['lost'])
      }
    })

    it('a user with an open connection was reported as offline', () => {
      const made = new HandMade()
      made.connection()
      made.push({ offline: ['u1'] })
      deepEqual(broken(made), ['lost'])
    })

    it('the same while its node was paused, unless the lease of the node had run out by then', () => {
      const expected = [
        [22_700, ['lost']],
        [22_800, []],
      ] as const
      for (const [firstCalledAt, promises] of expected) {
        const made = new HandMade()
        made.connection({ openedAt: 1_000 })
        made.fault({ name: 'pause', from: 20_000, to: 26_000 })
        made.node({ type: 'paused', at: 20_000 })
        made.node({ type: 'resumed', at: 26_000 })
        made.node({ type: 'lost its place', at: 26_100 })
        made.node({ type: 'joined again', at: 26_200 })
        made.push({ offline: ['u1'], firstCalledAt })
        deepEqual(broken(made), promises)
      }
    })

    it('a broadcast, or a push to a group, did not reach one of its connections', () => {
      const made = new HandMade()
      const there = made.connection({ memberships: [member('g')] })
      const left = made.connection({ uid: 'u2', memberships: [member('g', { leavingAt: 10_500, leftAt: 10_510 })] })
      const all = made.push({ kind: 'all', uids: [] })
      const group = made.push({ kind: 'group', uids: [], group: 'g', firstCalledAt: 10_020 })
      receive(left, all)
      equal(findingOf(made, 'lost').violations.length, 2)
      receive(there, all)
      receive(there, group)
      deepEqual(broken(made), [])
    })

    it('a broadcast is owed to a user who was back before their node could be declared dead, counted from its pause', () => {
      for (const [pausedAt, count] of [
        [undefined, 1],
        [6_500, 0],
      ] as const) {
        const made = new HandMade()
        made.fault({ from: 6_000, to: 12_000, slots: [0] })
        if (pausedAt !== undefined) made.node({ type: 'paused', at: pausedAt })
        made.node({ type: 'killed', at: 10_050 })
        made.connection({ closedAt: 10_060, ending: 'broken' })
        made.connection({ slot: 1, openedAt: 10_400 })
        made.push({ kind: 'all', uids: [] })
        equal(findingOf(made, 'lost').violations.length, count)
      }
    })

    it('nothing is owed for a push that failed', () => {
      const made = new HandMade()
      made.connection()
      made.push({ outcome: 'unknown', error: 'ECONNRESET' })
      equal(findingOf(made, 'lost').violations.length, 0)
    })
  })

  describe('repeated', () => {
    it('a second copy arrived on the same connection although nothing had failed', () => {
      const made = new HandMade()
      const client = made.connection()
      const push = made.push({})
      receive(client, push)
      receive(client, push)
      deepEqual(broken(made), ['repeated'])
    })

    it('excused if something had failed', () => {
      const made = new HandMade()
      const client = made.connection()
      const push = made.push({})
      made.fault({})
      receive(client, push)
      receive(client, push)
      equal(findingOf(made, 'repeated').exempt.get('again after kill'), 1)
      deepEqual(broken(made), [])
    })
  })

  describe('order', () => {
    it('a first copy arrived after one that was pushed later, whatever had failed', () => {
      const made = new HandMade()
      const client = made.connection()
      made.fault({})
      const [first, second] = [made.push({}), made.push({})]
      receive(client, second)
      receive(client, first)
      deepEqual(broken(made), ['order'])
    })

    it('no order is promised across publishers or across targets', () => {
      const made = new HandMade()
      const client = made.connection({ memberships: [member('g')] })
      const pushes = [
        made.push({}),
        made.push({ publisher: 'q' }),
        made.push({ kind: 'group', uids: [], group: 'g' }),
        made.push({ kind: 'all', uids: [] }),
      ]
      for (const push of pushes.toReversed()) receive(client, push)
      deepEqual(broken(made), [])
    })

    it('excused if it was sent again to a connection that was bound later', () => {
      const made = new HandMade()
      const client = made.connection({ openedAt: 10_500 })
      made.fault({})
      const [first, second] = [made.push({}), made.push({ firstCalledAt: 11_000 })]
      receive(client, second)
      receive(client, first)
      equal(findingOf(made, 'order').exempt.get('sent again to a connection that was bound later'), 1)
      deepEqual(broken(made), [])
    })

    it('a push that was called again under its id may be as late as its last call', () => {
      const made = new HandMade()
      const client = made.connection()
      made.fault({})
      const again = made.push({ id: 'x', callCount: 2, lastCalledAt: 12_000, settledAt: 12_010 })
      const between = made.push({ firstCalledAt: 11_000 })
      receive(client, between)
      receive(client, again)
      deepEqual(broken(made), [])
    })
  })

  describe('misdelivered', () => {
    const cases = {
      'to another user': { uids: ['u2'] },
      'to a user who is excepted': { kind: 'all', uids: [], except: ['u1'] },
      'to a user who is not in the group': { kind: 'group', uids: [], group: 'other' },
      'to a user who had left the group before the call': { kind: 'group', uids: [], group: 'left' },
    } as const
    for (const [name, given] of Object.entries(cases)) {
      it(name, () => {
        const made = new HandMade()
        const client = made.connection({ memberships: [member('left', { leavingAt: 9_000, leftAt: 9_010 })] })
        receive(client, made.push(given))
        deepEqual(broken(made), ['misdelivered'])
      })
    }

    it('a join or a leave in progress may count or not', () => {
      const made = new HandMade()
      const client = made.connection({ memberships: [member('g', { leavingAt: 9_990, leftAt: 10_001 })] })
      receive(client, made.push({ kind: 'group', uids: [], group: 'g' }))
      made.push({ kind: 'group', uids: [], group: 'g' })
      deepEqual(broken(made), [])
    })

    it('excused if a push to a group was forwarded to a member whose connection had ended, unless it was pushed later', () => {
      const made = new HandMade()
      made.connection({ memberships: [member('g')], leavingAt: 10_004, closedAt: 10_004, ending: 'left' })
      const back = made.connection({ openedAt: 10_500 })
      receive(back, made.push({ kind: 'group', uids: [], group: 'g' }))
      equal(findingOf(made, 'misdelivered').exempt.size, 1)
      deepEqual(broken(made), [])
      receive(back, made.push({ kind: 'group', uids: [], group: 'g', firstCalledAt: 13_000 }))
      deepEqual(broken(made), ['misdelivered'])
    })

    it('a message that is no push of this run', () => {
      const made = new HandMade()
      made.history.strangers.push({ at: 5_000, connection: 0, text: 'hello from elsewhere' })
      deepEqual(broken(made), ['misdelivered'])
    })
  })

  it('finds a dead node that is still listed', () => {
    const made = new HandMade()
    const seen = { node: 'n0-a', by: 'n1-a', diedAt: 10_000, where: 'nodes' } as const
    made.fault({ from: 10_000, to: 10_010 })
    made.history.sightings.push({ ...seen, lastSeenAt: 14_900 })
    deepEqual(broken(made), [])
    made.history.sightings.push({ ...seen, lastSeenAt: 16_000 })
    deepEqual(broken(made), ['ghosts'])
    match(findingOf(made, 'ghosts').violations[0]!.what, /still saw it among nodes 6000 ms later/)
  })

  describe('behind', () => {
    const standing = { key: 'flotilla:{p0}:i:n0-a:in', entries: 3, behind: 9_000 }

    it('a starved node did not catch up within the same time again', () => {
      const made = new HandMade()
      const fault = made.fault({ name: 'starve', from: 10_000, to: 18_000 })
      fault.starved = { for: 4_000, caughtUpAfter: 900 }
      deepEqual(broken(made), [])
      fault.starved = { for: 4_000, caughtUpAfter: undefined }
      deepEqual(broken(made), ['behind'])
    })

    it('a push that is still in an inbox counts as late, not as lost', () => {
      const made = new HandMade()
      made.connection()
      const push = made.push({})
      made.history.standing.push({ ...standing, pushes: new Set([push.number]) })
      equal(findingOf(made, 'lost').exempt.get('late: it was still in an inbox'), 1)
      deepEqual(broken(made), ['behind'])
    })

    it('a copy is owed to a connection that stays until its node, which is behind, has read that far', () => {
      for (const closedAt of [15_000, 21_000]) {
        const made = new HandMade()
        const there = made.connection()
        const gone = made.connection({ leavingAt: closedAt, closedAt, ending: 'left' })
        receive(there, made.push({}))
        for (let at = 1_000; at <= 30_000; at += 500) {
          const behind = at > 9_000 && at < 20_000 ? at - 9_000 : 0
          made.history.inboxes.push({ at, slot: gone.slot, node: gone.node, entries: 1, behind })
        }
        deepEqual(broken(made), closedAt === 15_000 ? [] : ['lost'])
      }
    })

    it('reports how far behind each node was at worst', () => {
      const made = new HandMade()
      const look = { node: 'n0-a', entries: 1 }
      made.history.inboxes.push(
        { ...look, at: 2_000, slot: 0, behind: 100 },
        { ...look, at: 4_000, slot: 0, behind: 2_500 },
        { ...look, at: 4_000, slot: 1, behind: 0 },
      )
      deepEqual(findingOf(made, 'behind').notes, [
        'n0 was 2.5 s behind at worst, at 4.0 s',
        'n1 was 0.0 s behind at worst, at 4.0 s',
      ])
    })
  })

  it('accepts no excuse from a fault that breaks nothing', () => {
    const made = new HandMade()
    const client = made.connection()
    const push = made.push({})
    made.fault({ name: 'crowd', slots: [], isHarmless: true })
    receive(client, push)
    receive(client, push)
    deepEqual(broken(made), ['repeated'])
  })

  it('finds pushes that still fail long after the last fault', () => {
    const made = new HandMade()
    made.fault({ from: 10_000, to: 12_000 })
    made.push({ firstCalledAt: 20_000, outcome: 'failed', error: 'FLT_STORE_AWAY' })
    made.history.refusals.push({ at: 20_000, slot: 0, reason: '503' })
    deepEqual(broken(made), [])
    made.push({ firstCalledAt: 28_000, outcome: 'failed', error: 'FLT_STORE_AWAY' })
    made.history.refusals.push({ at: 28_000, slot: 0, reason: '503' })
    equal(findingOf(made, 'service').violations.length, 2)
  })
})
