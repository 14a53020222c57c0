import type { ClientConnection } from '../connection/client-connection.ts'
import type { PushEnvelope, UserRef } from '../envelope/envelope.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import { isFlotillaError } from '../errors.ts'
import type { EncodedMessage, PushHead } from '../outbound/outbound-message.ts'

/** Messages that are sent on at a time: a flood of them must not hold back what is pushed meanwhile. */
const AT_ONCE = 1_000
/** Bytes that may wait to be sent on: many slow clients closed at once must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024

interface LeftoversHooks {
  readonly sendOn: (push: PushEnvelope, users: readonly UserRef[]) => Promise<void>
  readonly onUndelivered: (push: PushHead) => void
  readonly onError: (error: unknown) => void
}

/**
 * What connections had not taken when they closed: it is sent after their users. Not what was for a connection or for
 * everyone, which is for who is connected, nor what was for a member of a group without a user: nobody knows who that is.
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
    // In the next turn: by then nobody finds the connection here any more.
    if (this.#waiting.length > 0) this.#running ??= nextTurn().then(() => this.#workOff())
  }

  /** Resolves once everything has been sent on, or cannot be: it tries once whether the store is there. */
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
      await this.#sendOnAll(onceForEachUser(waiting))
      for (const { encoded } of waiting) this.#byteCount -= encoded.bytes.length
    }
    this.#running = undefined
  }

  async #sendOnAll(leftovers: readonly Leftover[]): Promise<void> {
    for (let start = 0; start < leftovers.length; start += AT_ONCE) {
      await Promise.all(leftovers.slice(start, start + AT_ONCE).map((leftover) => this.#sendOn(leftover)))
    }
  }

  async #sendOn({ encoded, head, user }: Leftover): Promise<void> {
    if (this.#isClosing && this.#isStoreAway) return this.#hooks.onUndelivered(head)
    try {
      // Made only now: compressed ones may be large.
      await this.#hooks.sendOn({ ...head, payload: encoded.message.payload }, [user])
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
  /** Whom it was for. */
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

/** Several of a user's connections may leave the same message behind. */
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
