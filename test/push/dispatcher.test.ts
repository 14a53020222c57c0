import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { State } from '../../src/drivers/state.ts'
import type { Recipients, ControlEnvelope, Envelope, PushEnvelope } from '../../src/envelope/envelope.ts'
import { type ConnectionId, type NodeId, newProcessId, nodeId, type PushId, type Uid } from '../../src/envelope/ids.ts'
import { encodePayload } from '../../src/envelope/payload.ts'
import { Dispatcher } from '../../src/push/dispatcher.ts'
import { Locator } from '../../src/push/locator.ts'
import { Parker } from '../../src/push/parker.ts'
import { Roster } from '../../src/push/roster.ts'
import { parseOptions } from '../../src/settings.ts'
import { until } from '../support/until.ts'

const settings = parseOptions({ modules: [] })
const UID = 'u' as Uid

/** A publisher, and a user who is bound to a node. */
class Stage {
  readonly state: State
  readonly node: NodeId = nodeId('n', newProcessId(), 1)
  readonly dispatcher: Dispatcher
  readonly received: Envelope[] = []
  readonly parkedIds: string[] = []
  refreshCount = 0
  undeliveredCount = 0
  readonly #queue

  private constructor(t: TestContext) {
    const driver = memory()
    const state = (this.state = driver.state(settings))
    const queue = (this.#queue = driver.queue(settings))
    let roster = new Roster()
    const nodes = {
      nodeOf: () => undefined,
      isLive: (node: NodeId) => roster.isLive(node),
      standIn: (node: NodeId) => node,
      refresh: async () => {
        roster = new Roster(await state.nodes())
        this.refreshCount++
      },
    }
    this.dispatcher = new Dispatcher({
      queue,
      codec: settings.codec,
      publisher: 'p',
      locator: new Locator(state, nodes, 60_000),
      parker: new Parker(state, settings.codec),
      storeWait: settings.storeWait,
      park: async ({ id }) => {
        this.parkedIds.push(id)
        return []
      },
      onUndelivered: () => this.undeliveredCount++,
    })
    t.after(() => Promise.all([state.close(), queue.close()]))
  }

  static async start(t: TestContext): Promise<Stage> {
    const stage = new Stage(t)
    await stage.host(stage.node)
    return stage
  }

  /** Binds the user to a node. */
  async host(node: NodeId): Promise<void> {
    await this.state.join({ node, name: 'n', startedAt: 0 })
    const connection = { connection: 'c' as ConnectionId, path: '/', ip: '', since: 0 }
    await this.state.apply(node, [{ type: 'user', uid: UID, connections: [connection] }])
  }

  async open(node = this.node): Promise<void> {
    await this.#queue.open(node)
    this.#queue.consume(node, (entries) => {
      for (const { bytes } of entries) this.received.push(...settings.codec.decode(bytes).envelopes)
    })
  }

  send(make: (to: Recipients) => Envelope): Promise<[nodeCount: number, offline: readonly string[]]> {
    return new Promise((resolve, failed) =>
      this.dispatcher.dispatch({
        target: { type: 'users', uids: [UID] },
        make,
        done: (nodeCount, offline) => resolve([nodeCount, offline]),
        failed,
      }),
    )
  }
}

const toUser: Recipients = { type: 'users', users: [{ uid: UID, stamp: 0 }] }
const pushOf = (hops: number): PushEnvelope => ({
  type: 'push',
  id: `after-${hops}` as PushId,
  to: toUser,
  payload: encodePayload('x'),
  hops,
  resent: true,
})

// Invariant R11: a copy is sent on at most eight times.
test('a copy that has been sent on eight times is given up, and counted', async (t) => {
  const stage = await Stage.start(t)
  await stage.open()
  await stage.dispatcher.resend(pushOf(7), undefined)
  await until('the eighth time it arrives', () => stage.received.length === 1)
  assert.equal((stage.received[0] as PushEnvelope).hops, 8)
  assert.equal(stage.undeliveredCount, 0)
  await stage.dispatcher.resend(pushOf(8), undefined)
  await stage.dispatcher.idle()
  assert.deepEqual([stage.received.length, stage.undeliveredCount, stage.parkedIds.length], [1, 1, 0])
})

test('a control dies with the node that it was for, and a push does not', async (t) => {
  const stage = await Stage.start(t)
  // The node has lost its place in the cluster: its inbox is not there, and now its lease is taken away.
  await stage.state.evict(stage.node, 'evicted', stage.node)
  const action = { type: 'close', code: 4403, reason: '' } as const
  const control = (to: Recipients): ControlEnvelope => ({
    type: 'control',
    to,
    action,
    replyTo: stage.node,
    correlation: 1,
  })
  assert.deepEqual(await stage.send(control), [0, []], 'nobody looks for them elsewhere')
  assert.deepEqual(
    await stage.send((to) => ({ ...pushOf(0), to, resent: false })),
    [0, [UID]],
    'it is looked for elsewhere',
  )
})

// Invariant B3: `closed` from a node with a live lease means that the store has lost its inbox.
test('a node that has lost its inbox, but not its lease, is waited for: its users are not offline', async (t) => {
  const stage = await Stage.start(t)
  let isAnswered = false
  const answer = stage.send((to) => ({ ...pushOf(0), to, resent: false })).finally(() => (isAnswered = true))
  await until('the store was asked who lives', () => stage.refreshCount > 1)
  assert.equal(isAnswered, false)
  const again = nodeId('n', newProcessId(), 2)
  await stage.open(again)
  await stage.host(again)
  await stage.state.evict(stage.node, 'evicted', again)
  assert.deepEqual((await answer)[1], [])
  await until('it arrives under the new id', () => stage.received.length === 1)
})
