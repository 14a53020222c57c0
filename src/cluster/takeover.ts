import type { ShutdownReason } from '../api.ts'
import type { Hub } from '../delivery/hub.ts'
import type { Entry } from '../drivers/entry.ts'
import type { Nodes } from '../drivers/nodes.ts'
import type { Queue } from '../drivers/queue.ts'
import type { Routes } from '../drivers/routes.ts'
import type { Recipients, Codec, Envelope, PushEnvelope } from '../envelope/envelope.ts'
import type { Group, NodeId, Uid } from '../envelope/ids.ts'
import { acrossPartitions, stampedWith } from '../envelope/stamps.ts'
import type { Logger } from '../logger.ts'
import type { Dispatcher } from '../push/dispatcher.ts'

/**
 * Cleans up after a node that is gone: its later writes have no effect, what its inbox held is forwarded to its users,
 * and nobody is listed on it. Every step may run twice and beside another node's, because the node that takes over may
 * die, or be paused and wake up, at any point. The claim only saves the others the work.
 */
export class Takeover {
  readonly #state: Nodes & Routes
  readonly #queue: Queue
  readonly #codec: Codec
  readonly #hub: Hub
  readonly #dispatcher: Dispatcher
  readonly #logger: Logger
  /** ms that a claim lasts unless it is renewed: the node that cleans up may have died. */
  readonly #claimFor: number
  readonly #running = new Set<NodeId>()

  constructor(
    { state, queue, codec, hub, dispatcher }: TakeoverParts,
    { logger, heartbeat }: { logger: Logger; heartbeat: number },
  ) {
    this.#claimFor = 2 * heartbeat
    this.#state = state
    this.#queue = queue
    this.#codec = codec
    this.#hub = hub
    this.#dispatcher = dispatcher
    this.#logger = logger
  }

  /** False if the node must not be taken over, because it lives, or if another node is taking it over. */
  async takeOver(node: NodeId, reason: ShutdownReason, by: NodeId): Promise<boolean> {
    if (this.#running.has(node)) return false
    this.#running.add(node)
    let claiming: NodeJS.Timeout | undefined
    try {
      // Invariants N4, N9: whoever does it may die at any point, so another may do any step again, beside this one.
      // In this order: a node without a lease makes no new markers, and one without markers writes nothing more.
      if ((await this.#state.evict(node, reason, by)) !== 'claimed') return false
      await this.#state.fence(node)
      if (!(await this.#claim(node, by))) return false
      claiming = setInterval(() => void this.#claim(node, by).catch(() => {}), this.#claimFor / 3)
      this.#logger.debug({ node, reason }, 'taking over from a node')
      await this.#queue.seal(node)
      const members = await this.#state.groupsOn(node)
      // Before the inbox, which may take long: lookups must not find anybody on this node any more.
      await this.#state.unlist(node)
      // A node that closes has closed its connections before: only its hub still knows the users they had.
      const findUsers: FindUsers = node === by ? (push) => this.#departedFrom(push) : (push) => usersIn(push, members)
      await this.#queue.drain(node, (entries) => this.#resend(node, entries, findUsers))
      // Only after the inbox: if this node dies now, the next one to take over asks for the groups again.
      await this.#state.clean(node)
      await this.#queue.replayAll(node)
      await this.#queue.destroy(node)
      await this.#state.forget(node)
      if (node !== by) this.#logger.info({ node, reason }, 'took over from a node')
      return true
    } finally {
      clearInterval(claiming)
      this.#running.delete(node)
    }
  }

  #claim(node: NodeId, by: NodeId): Promise<boolean> {
    return this.#state.claim(node, by, this.#claimFor)
  }

  /** Forwards the pushes that the dead node had not delivered. Controls die with the connections they were for. */
  async #resend(node: NodeId, entries: readonly Entry[], findUsers: FindUsers): Promise<void> {
    const envelopes = entries.flatMap((entry) => this.#envelopesIn(entry, node))
    const copies = envelopes.flatMap((push) => {
      if (push.type !== 'push') return []
      // Invariant D8: their memberships went with the node.
      const to = findUsers(push)
      return to === undefined ? [push] : [push, { ...push, to }]
    })
    for (const portion of portionsOf(copies)) {
      await Promise.all(portion.map((copy) => this.#dispatcher.resend(copy, node)))
    }
  }

  #departedFrom({ to, except }: PushEnvelope): Recipients | undefined {
    if (to.type !== 'groups') return undefined
    const users = this.#hub.departedFrom(to.groups, except)
    return users.length === 0 ? undefined : { type: 'users', users }
  }

  #envelopesIn({ bytes, stamp }: Entry, node: NodeId): readonly Envelope[] {
    try {
      return stampedWith(stamp, this.#codec.decode(bytes).envelopes)
    } catch (error) {
      this.#logger.error({ node, error }, 'an entry of a dead node could not be decoded and was dropped')
      return []
    }
  }
}

interface TakeoverParts {
  readonly state: Nodes & Routes
  readonly queue: Queue
  readonly codec: Codec
  readonly hub: Hub
  readonly dispatcher: Dispatcher
}

/** How many recipients are looked up at a time: one entry may hold thousands of pushes to a group of thousands. */
const PORTION = 16_384

function* portionsOf(pushes: readonly PushEnvelope[]): Generator<readonly PushEnvelope[]> {
  let portion: PushEnvelope[] = []
  let count = 0
  for (const push of pushes) {
    const size = push.to.type === 'users' ? push.to.users.length : 1
    if (portion.length > 0 && count + size > PORTION) {
      yield portion
      portion = []
      count = 0
    }
    portion.push(push)
    count += size
  }
  if (portion.length > 0) yield portion
}

/**
 * Finds the users who were in the groups of a push on the node that is gone. A copy goes to these users, because the
 * node's members went with it and may be in no group yet when they come back. A connection that also gets the copy for
 * the groups gets only one of them, because both have the same id.
 */
type FindUsers = (push: PushEnvelope) => Recipients | undefined

function usersIn({ to, except }: PushEnvelope, members: ReadonlyMap<Group, readonly Uid[]>): Recipients | undefined {
  if (to.type !== 'groups') return undefined
  const users = new Map(
    to.groups.flatMap(({ group, stamp }) => (members.get(group) ?? []).map((uid) => [uid, acrossPartitions(stamp)])),
  )
  for (const uid of except?.uids ?? []) users.delete(uid)
  if (users.size === 0) return undefined
  return { type: 'users', users: Array.from(users, ([uid, stamp]) => ({ uid, stamp })) }
}
