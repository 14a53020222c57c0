import type { Receipt } from '../../src/api.ts'
import { memory } from '../../src/drivers/memory/memory.ts'
import type { PushIds } from '../../src/drivers/push-ids.ts'
import type { Queue } from '../../src/drivers/queue.ts'
import type { State } from '../../src/drivers/state.ts'
import type { Recipients, Envelope } from '../../src/envelope/envelope.ts'
import type { NodeId } from '../../src/envelope/ids.ts'
import { Dispatcher } from '../../src/push/dispatcher.ts'
import { Locator } from '../../src/push/locator.ts'
import { Parker } from '../../src/push/parker.ts'
import { Pusher } from '../../src/push/pusher.ts'
import { parseOptions } from '../../src/settings.ts'
import { memberHere, userHere } from '../contracts/routes/words.ts'
import { joined, newConnection } from '../contracts/stage.ts'

const settings = parseOptions({ modules: [], storeWait: 2_000 })

/** The calls of State and Queue that a push is made of. */
export type StoreCall = 'locate' | 'appendWhereFound' | 'reserve' | 'settle' | 'release' | 'publish' | 'publishAll'

/** Stands between the pusher and its store: makes each call wait, fail or answer otherwise. */
export type Meddler = <T>(name: StoreCall, call: () => Promise<T>, node?: NodeId) => Promise<T>

interface Read {
  /** The node whose inbox it is, or `*`. */
  readonly inbox: string
  readonly envelope: Envelope
}

export interface PushStage {
  readonly pusher: Pusher
  /** The node in whose process the pusher is, and two others. */
  readonly nodes: readonly [self: NodeId, NodeId, NodeId]
  /** The envelopes that were stored, or delivered in this process, in that order. */
  readonly log: readonly Read[]
  close(): Promise<void>
}

/**
 * A pusher in the process of node 0, and the nodes 1 and 2 on the same store in memory. The users `u0`, `u1` and `u2`
 * are each on the node of that number, `u12` and the group `g` on the nodes 1 and 2, and `u012` on all.
 */
export async function startPusher(meddle: Meddler, isDirect: boolean): Promise<PushStage> {
  const driver = memory()
  const [state, queue] = [driver.state(settings), driver.queue(settings)]
  const nodes = [await joined(state), await joined(state), await joined(state)] as const
  for (const [n, node] of nodes.entries()) {
    await queue.open(node)
    const uids = ['u0', 'u1', 'u2', 'u12', 'u012'].filter((uid) => uid.includes(String(n)))
    const member = n > 0 ? [memberHere('g', newConnection(uids[0]))] : []
    await state.apply(node, [...uids.map((uid) => userHere(uid)), ...member])
  }
  const log: Read[] = []
  const note = (inbox: string, bytes: Uint8Array): void => {
    for (const envelope of settings.codec.decode(bytes).envelopes) log.push({ inbox, envelope })
  }
  const locate: State['locate'] = (lookup) => meddle('locate', () => state.locate(lookup))
  const self = nodes[0]
  const meddledQueue = Object.assign(Object.create(queue) as Queue & PushIds, {
    reserve: (...args) => meddle('reserve', () => queue.reserve(...args)),
    settle: (...args) => meddle('settle', () => queue.settle(...args)),
    release: (...args) => meddle('release', () => queue.release(...args)),
    publish: (node, bytes) =>
      meddle(
        'publish',
        async () => {
          note(node, bytes)
          return 'stored' as const
        },
        node,
      ),
    publishAll: (bytes) =>
      meddle('publishAll', async () => {
        note('*', bytes)
        return { type: 'stored' as const, nodeCount: nodes.length }
      }),
  } satisfies Partial<Queue & PushIds>)
  const appendWhereFound: State['appendWhereFound'] = (target, { bytes }) =>
    meddle('appendWhereFound', async () => {
      const uids = target.type === 'user' ? [target.uid] : []
      const groups = target.type === 'group' ? [target.group] : []
      const located = await state.locate({ uids, groups, connections: [] })
      const [route] = [...located.uids, ...located.groups]
      for (const node of route!.nodes) if (node !== self) note(node, bytes)
      return route
    })
  const book = {
    nodeOf: () => undefined,
    isLive: () => false,
    refresh: async () => {},
    standIn: (node: NodeId) => node,
  }
  const dispatcher = new Dispatcher({
    queue: meddledQueue,
    codec: settings.codec,
    publisher: 'p',
    locator: new Locator({ locate } as State, book, settings.storeWait),
    ...(isDirect && { appendWhereFound }),
    parker: new Parker(state, settings.codec),
    storeWait: settings.storeWait,
    local: {
      self,
      isSelf: (node) => node === self,
      deliver: (envelope) => {
        log.push({ inbox: self, envelope })
        return undefined
      },
    },
    onUndelivered: () => {},
  })
  const pusher = new Pusher(dispatcher, meddledQueue, 'p', { ...settings, onFailure: () => {} })
  return {
    pusher,
    nodes,
    log,
    async close() {
      await pusher.close()
      await Promise.all([state.close(), queue.close()])
    },
  }
}

/** The recipients of an envelope, by the names that a target has. */
export function namesIn(to: Recipients): readonly string[] {
  if (to.type === 'users') return to.users.map(({ uid }) => uid)
  if (to.type === 'groups') return to.groups.map(({ group }) => `group ${group}`)
  return [to.type]
}

/** The outcome of a push: its receipt, or the code that it failed with. */
export function outcomeOf(push: Promise<Receipt>): Promise<Receipt | string> {
  return push.catch((error: Error & { code?: string }) => error.code ?? error.message)
}
