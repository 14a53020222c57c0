import type { ClientConnection } from '../connection/client-connection.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import { isFlotillaError } from '../errors.ts'
import type { EncodedMessage, PushHead } from '../outbound/outbound-message.ts'

/** Messages that are forwarded at a time: a flood of them must not hold back what is pushed meanwhile. */
const AT_ONCE = 1_000
/** Bytes that may wait to be forwarded: many slow clients that close at once must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024

interface LeftoversHooks {
  /** Forwards a push to users, or parks it. */
  readonly forward: (push: PushEnvelope, users: readonly UserRef[]) => Promise<void>
  /** Called for each message that is given up. */
  readonly onUndelivered: (push: PushHead) => void
  /** Called if forwarding fails. */
  readonly onError: (error: unknown) => void
}

/**
 * Messages that connections had not taken when they closed: each is forwarded to the connection's user. Pushes to a
 * connection or to everyone are not forwarded, because they are only for clients that are connected. Nor are pushes to
 * a group if the connection had no user, because then nobody can say where its client is now.
 */
export class Leftovers {
  readonly #hooks: LeftoversHooks
  #waiting: Leftover[] = []
  #byteCount = 0
  #running: Promise<void> | undefined
  #isClosing = false
  #isStoreAway = false

  constructor(hooks: LeftoversHooks) {
    this.#hooks = hooks
  }

  add(connection: ClientConnection, messages: readonly EncodedMessage[]): void {
    for (const encoded of messages) {
      const leftover = leftoverOf(connection, encoded)
      if (leftover !== undefined) this.#add(leftover)
    }
    // In the next turn: by then the hub no longer finds the connection.
    if (this.#waiting.length > 0) this.#running ??= nextTurn().then(() => this.#workOff())
  }

  /** Resolves once every message has been forwarded, or given up because an attempt found the store away. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#running
  }

  #add(leftover: Leftover): void {
    const size = leftover.encoded.bytes.length
    if (this.#byteCount + size > MAX_BYTES) {
      this.#hooks.onUndelivered(leftover.head)
      return
    }
    this.#byteCount += size
    this.#waiting.push(leftover)
  }

  async #workOff(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      await this.#forwardAll(onceForEachUser(waiting))
      for (const { encoded } of waiting) this.#byteCount -= encoded.bytes.length
    }
    this.#running = undefined
  }

  async #forwardAll(leftovers: readonly Leftover[]): Promise<void> {
    for (let start = 0; start < leftovers.length; start += AT_ONCE) {
      await Promise.all(leftovers.slice(start, start + AT_ONCE).map((leftover) => this.#forward(leftover)))
    }
  }

  async #forward({ encoded, head, user }: Leftover): Promise<void> {
    if (this.#isClosing && this.#isStoreAway) return this.#hooks.onUndelivered(head)
    try {
      // Built only now, because an inflated payload may be large.
      await this.#hooks.forward({ ...head, payload: encoded.message.payload }, [user])
      this.#isStoreAway = false
    } catch (error) {
      this.#isStoreAway = isFlotillaError(error) && error.code === 'FLT_STORE_AWAY'
      this.#hooks.onUndelivered(head)
      this.#hooks.onError(error)
    }
  }
}

interface Leftover {
  readonly encoded: EncodedMessage
  readonly head: PushHead
  /** The user of the connection that left it behind. */
  readonly user: UserRef
}

function leftoverOf({ uid }: ClientConnection, encoded: EncodedMessage): Leftover | undefined {
  const { push: head } = encoded.message
  if (uid === undefined || head === undefined || head.to.type === 'connections' || head.to.type === 'all')
    return undefined
  const { to } = head
  const stamp =
    to.type === 'users' ? to.users.find((user) => user.uid === uid)?.stamp : acrossPartitions(to.groups[0]!.stamp)
  return stamp === undefined ? undefined : { encoded, head, user: { uid, stamp } }
}

/** Several connections of a user may leave the same message behind: it is forwarded once. */
function onceForEachUser(leftovers: readonly Leftover[]): readonly Leftover[] {
  const seen = new Set<string>()
  return leftovers.filter(({ head: { id }, user: { uid } }) => {
    const key = `${id} ${uid}`
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
