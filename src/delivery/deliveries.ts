import type { ClientConnection } from '../connection/client-connection.ts'
import type { Recipients, PushEnvelope } from '../envelope/envelope.ts'
import type { ConnectionId } from '../envelope/ids.ts'
import type { Except } from '../envelope/target.ts'
import { NameSet } from '../lib/name-set.ts'
import { type Kind, BindingHistory } from './binding-history.ts'
import { Copies, type Copy } from './copies.ts'

/** ms for which a connection that has had a push does not get it again. */
const REMEMBER = 60_000
/** For pushes whose id was given by the caller, and as many for others; some 250 bytes for each. */
const MAX_REMEMBERED = 500_000

/**
 * Which connections have had which pushes lately. A delivery is remembered as one record, however many connections it
 * reaches: it reached everyone who was bound to its target at that time, and a history of the bindings says who was.
 */
export class Deliveries {
  readonly #named: Copies
  readonly #others: Copies
  readonly #history = new BindingHistory()
  readonly #limit: number
  /** The number of the last delivery that is, or was, remembered. */
  #last = 0

  /**
   * @param keepFor ms
   * @param limit how much is remembered: beyond it, the oldest is forgotten early
   */
  constructor({ keepFor = REMEMBER, limit = MAX_REMEMBERED }: { keepFor?: number; limit?: number } = {}) {
    this.#limit = limit
    this.#named = new Copies(keepFor, limit)
    this.#others = new Copies(keepFor, limit)
  }

  /** How much is remembered. Memory grows in proportion. */
  get size(): number {
    return this.#named.size + this.#others.size + this.#history.size
  }

  /** How many deliveries were forgotten early. */
  get forgottenCount(): number {
    return this.#named.forgottenCount + this.#others.forgottenCount
  }

  // ---- what has been delivered

  /** Whether any delivery of the push is remembered. */
  knows(push: PushEnvelope): boolean {
    return this.#copiesOf(push).newestOf(push.id) !== undefined
  }

  /** Whether the connection has had the push. */
  has(push: PushEnvelope, connection: ClientConnection): boolean {
    const copies = this.#copiesOf(push)
    for (let copy = copies.newestOf(push.id); copy !== undefined; copy = copies.olderThan(copy)) {
      if (this.#hasReached(copy, connection)) return true
    }
    return false
  }

  /** Everyone in the push's target has just had it. */
  addAll(push: PushEnvelope): void {
    const { to, except } = push
    this.#add(push, { type: to.type, names: new NameSet(namesIn(to)), except: exceptedBy(except), isOpen: false })
  }

  /** These connections have just had the push. */
  addSome(push: PushEnvelope, connections: readonly ConnectionId[]): void {
    if (connections.length === 0) return
    const copies = this.#copiesOf(push)
    for (let copy = copies.newestOf(push.id); copy !== undefined; copy = copies.olderThan(copy)) {
      if (copy.isOpen) return copies.extend(copy, connections, nowInMs())
    }
    this.#add(push, { type: 'connections', names: new NameSet(connections), except: undefined, isOpen: true })
  }

  // ---- who is bound to what

  /** Called when a connection has come, before it is bound to anything. */
  came(connection: ClientConnection): void {
    connection.addedAfter = this.#last
  }

  /** Called after a connection was bound to a user or group. */
  bound(connection: ClientConnection, kind: Kind, name: string): void {
    if (this.#mayBeAsked()) this.#history.begin(connection, kind, name, this.#last)
  }

  /** Called when a connection that stays is unbound from a user or group. */
  unbound(connection: ClientConnection, kind: Kind, name: string): void {
    if (this.#mayBeAsked()) this.#history.end(connection, kind, name, this.#last)
  }

  /** Frees what is no longer needed. Called with each heartbeat, too. */
  forgetOld(): void {
    const now = nowInMs()
    this.#named.forgetOld(now)
    this.#others.forgetOld(now)
    this.#history.forgetUpTo(Math.min(this.#named.oldest, this.#others.oldest) - 1)
  }

  #copiesOf({ named }: PushEnvelope): Copies {
    return named === true ? this.#named : this.#others
  }

  #add(push: PushEnvelope, what: Pick<Copy, 'type' | 'names' | 'except' | 'isOpen'>): void {
    const copies = this.#copiesOf(push)
    const at = nowInMs()
    copies.forgetOld(at)
    copies.add({ id: push.id, ...what, delivery: ++this.#last, at, before: copies.newestOf(push.id) })
  }

  #hasReached({ type, names, except, delivery, isOpen }: Copy, connection: ClientConnection): boolean {
    // Invariant R6: a delivery reached everyone who was bound to its target then.
    if (isOpen) return names.has(connection.id)
    if (connection.addedAfter >= delivery) return false
    if (except?.connections.has(connection.id) === true) return false
    if (except !== undefined && this.#history.wasBound(connection, 'uid', except.uids, delivery)) return false
    switch (type) {
      case 'users':
        return this.#history.wasBound(connection, 'uid', names, delivery)
      case 'groups':
        return this.#history.wasBound(connection, 'group', names, delivery)
      case 'connections':
        return names.has(connection.id)
      case 'all':
        return true
      default:
        throw type satisfies never
    }
  }

  /** False if nothing is remembered: then bindings need no history. */
  #mayBeAsked(): boolean {
    if (this.size === 0) return false
    this.forgetOld()
    if (this.#named.size + this.#others.size === 0) return false
    if (this.#history.size >= this.#limit) this.#makeRoom()
    return true
  }

  /** A forgotten change of a binding would count as none at all, so the deliveries before it are forgotten, too. */
  #makeRoom(): void {
    const { oldest } = this.#history
    const now = nowInMs()
    this.#named.forgetUpTo(oldest, now)
    this.#others.forgetUpTo(oldest, now)
    this.#history.forgetUpTo(oldest)
  }
}

/** Whole, because V8 keeps a small whole number without an object of its own. */
function nowInMs(): number {
  return Math.trunc(performance.now())
}

function exceptedBy(except: Except | undefined): Copy['except'] {
  return except && { uids: new NameSet(except.uids), connections: new NameSet(except.connections) }
}

function namesIn(to: Recipients): readonly string[] {
  switch (to.type) {
    case 'users':
      return to.users.map(({ uid }) => uid)
    case 'groups':
      return to.groups.map(({ group }) => group)
    case 'connections':
      return to.connections
    case 'all':
      return []
    default:
      throw to satisfies never
  }
}
