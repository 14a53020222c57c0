import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ClientConnection } from '../../src/connection/client-connection.ts'
import { Deliveries } from '../../src/delivery/deliveries.ts'
import { FanOut } from '../../src/delivery/fan-out.ts'
import { Hub } from '../../src/delivery/hub.ts'
import type { Recipients, PushEnvelope } from '../../src/envelope/envelope.ts'
import { connectionId, type Group, newProcessId, type PushId, type Uid } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { newCounters, type OverflowRules } from '../../src/outbound/backlog.ts'
import { Flusher } from '../../src/outbound/flusher.ts'
import { Handover } from '../../src/outbound/handover.ts'
import { runs } from '../support/fuzz.ts'

const UIDS = ['u1', 'u2', 'u3'] as Uid[]
const GROUPS = ['g1', 'g2', 'g3'] as Group[]
const MOST = 6

const number = fc.nat({ max: 20 })
const some = fc.uniqueArray(fc.nat({ max: 2 }), { minLength: 1, maxLength: 3 })
const anyStep = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('add' as const), uid: number, groups: some }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), who: number }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('register' as const), who: number, uid: number }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constantFrom('join', 'leave'), who: number, group: number }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('stamp' as const), who: number }) },
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('push' as const),
      id: fc.nat({ max: 2 }),
      kind: fc.constantFrom('users', 'groups', 'groups', 'connections', 'all'),
      names: some,
      except: fc.option(number),
      stamp: fc.nat({ max: 60 }),
      resent: fc.boolean(),
      named: fc.boolean(),
    }),
  },
)
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never
type PushStep = Extract<Step, { type: 'push' }>

const flusher = new Flusher()
const rules: OverflowRules = { maxBuffered: 2 ** 20, overflow: 'close', counters: newCounters() }
const process = newProcessId()

/** A hub with its fan-out, and beside them the simplest possible model of which connection has had which push. */
class World {
  readonly #hub: Hub
  readonly #fanOut: FanOut
  readonly #isExact: boolean
  readonly #connections: ClientConnection[] = []
  /** By push and connection: `surely` if a repeated copy must be recognized. */
  readonly #had = new Map<string, 'surely' | 'maybe'>()
  #sequence = 0
  #time = 10

  constructor(deliveries: Deliveries, isExact: boolean) {
    this.#hub = new Hub(deliveries)
    this.#fanOut = new FanOut(this.#hub)
    this.#isExact = isExact
  }

  take(step: Step): void {
    switch (step.type) {
      case 'add':
        return this.#add(step.uid, step.groups)
      case 'push':
        return this.#push(step)
      default: {
        const connection = this.#connections[step.who % this.#connections.length]
        if (connection !== undefined) this.#change(step, connection)
      }
    }
  }

  #add(uid: number, groups: readonly number[]): void {
    if (this.#connections.length === MOST) return
    const meta = { ip: '127.0.0.1', port: 1, path: '/', pattern: '/', openedAt: 0 }
    const init = { params: {}, session: {}, meta, request: { url: '/', rawHeaders: [] } }
    const connection = new ClientConnection(connectionId(process, 0, ++this.#sequence), init, flusher, rules)
    this.#connections.push(connection)
    this.#hub.add(connection)
    this.#hub.setUid(connection, UIDS[uid % 4])
    for (const group of groups) this.#hub.join(connection, GROUPS[group]!)
  }

  #change(step: Exclude<Step, { type: 'add' | 'push' }>, connection: ClientConnection): void {
    switch (step.type) {
      case 'remove':
        this.#hub.remove(connection)
        this.#connections.splice(this.#connections.indexOf(connection), 1)
        return
      case 'register':
        return this.#hub.setUid(connection, UIDS[step.uid % 4])
      case 'join':
        return this.#hub.join(connection, GROUPS[step.group % 3]!)
      case 'leave':
        return this.#hub.leave(connection, GROUPS[step.group % 3]!)
      case 'stamp':
        connection.stampUid(++this.#time)
        for (const group of connection.groupStamps.keys()) connection.setGroupStamp(group, ++this.#time)
        return
      default:
        throw step satisfies never
    }
  }

  #push(step: PushStep): void {
    const stamp = Math.max(0, this.#time - step.stamp)
    const uid = step.except === null ? undefined : UIDS[step.except % 3]
    const push: PushEnvelope = {
      type: 'push',
      id: `p${step.id}` as PushId,
      to: this.#recipientsOf(step, stamp),
      payload: encodePayload('x'),
      except: uid && { uids: [uid], connections: [] },
      hops: 0,
      resent: step.resent,
      ...(step.named && { named: true as const }),
    }
    const before = new Map(this.#connections.map((each) => [each, each.bufferedAmount]))
    const expected = this.#connections.map((each) => [each, this.#expect(push, each)] as const)
    const { deliveredCount } = this.#fanOut.deliver(push, new Handover(0))
    let count = 0
    for (const [connection, expectation] of expected) {
      const got = connection.bufferedAmount > before.get(connection)!
      if (got) count++
      if (expectation === 'gets') assert.ok(got, `${connection.id} did not get a push that is for it`)
      if (expectation === 'not')
        assert.ok(!got, `${connection.id} got a push that is not for it, or that it had before`)
    }
    assert.equal(deliveredCount, count)
  }

  #recipientsOf({ kind, names }: PushStep, stamp: number): Recipients {
    switch (kind) {
      case 'users':
        return { type: 'users', users: names.map((name) => ({ uid: UIDS[name]!, stamp })) }
      case 'groups':
        return { type: 'groups', groups: names.map((name) => ({ group: GROUPS[name]!, stamp })) }
      case 'connections':
        return { type: 'connections', connections: names.flatMap((name) => this.#connections[name]?.id ?? []) }
      default:
        return { type: 'all' }
    }
  }

  /** `may` if a repeated copy need not be recognized. From now on the connection counts as having had the push. */
  #expect(push: PushEnvelope, connection: ClientConnection): 'gets' | 'not' | 'may' {
    const stamps = stampsOf(push.to, connection)
    if (stamps === undefined || push.except?.uids.includes(connection.uid!) === true) return 'not'
    const isOlder = stamps.some(([bound, stamp]) => bound <= stamp)
    const isYounger = stamps.some(([bound, stamp]) => bound > stamp)
    if (push.resent && isOlder) return 'not'
    const key = `${push.id} ${push.named} ${connection.id}`
    const had = this.#had.get(key)
    // A push without a given id comes only once as a first copy to connections bound before the lookup, so it is not
    // noted.
    const isSure = push.named === true || isYounger || (push.resent && push.to.type === 'all')
    this.#had.set(key, isSure ? 'surely' : (had ?? 'maybe'))
    if (had === undefined) return 'gets'
    return had === 'surely' && isSure && this.#isExact ? 'not' : 'may'
  }
}

/**
 * The stamps by which a connection is a recipient: `undefined` if it is none, empty if these recipients have no stamps.
 */
function stampsOf(
  to: Recipients,
  { id, uid, uidStamp, groupStamps }: ClientConnection,
): [number, number][] | undefined {
  switch (to.type) {
    case 'users': {
      const found = to.users.filter((user) => user.uid === uid)
      return found.length === 0 ? undefined : found.map(({ stamp }) => [uidStamp, stamp])
    }
    case 'groups': {
      const found = to.groups.filter(({ group }) => groupStamps.has(group))
      return found.length === 0 ? undefined : found.map(({ group, stamp }) => [groupStamps.get(group)!, stamp])
    }
    case 'connections':
      return to.connections.includes(id) ? [] : undefined
    case 'all':
      return []
    default:
      throw to satisfies never
  }
}

function live(newDeliveries: () => Deliveries, isExact: boolean): void {
  const property = fc.property(fc.array(anyStep, { maxLength: 60, size: 'max' }), (steps) => {
    const world = new World(newDeliveries(), isExact)
    for (const step of steps) world.take(step)
  })
  fc.assert(property, runs<[Step[]]>(3_000))
}

test('whatever changes between the copies of a push, it reaches every connection it is for, and none twice', () => {
  live(() => new Deliveries(), true)
})

// Invariant R6: a connection that has had a push is remembered for a minute.
test('a push that is forgotten, because of the bound or its age, may come twice, but is never lost', () => {
  for (const limit of [1, 3, 8]) live(() => new Deliveries({ limit }), false)
  live(() => new Deliveries({ keepFor: -1 }), false)
})
