import { isFlotillaError } from '../errors.ts'
import type { PushEnvelope } from '../protocol/envelope.ts'
import type { Connection } from '../sockets/connection.ts'
import type { Frame, PushHead } from '../sockets/frame.ts'

/** Messages that are sent on at a time: a flood of them must not hold back what is pushed meanwhile. */
const AT_ONCE = 32
/** Bytes that may wait to be sent on: many slow clients closed at once must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024

interface LeftoversHooks {
  readonly sendOn: (push: PushEnvelope) => Promise<void>
  readonly onUndelivered: (push: PushHead) => void
  readonly onError: (error: unknown) => void
}

/**
 * What connections had not taken when they closed: it is sent after their users and groups. Not to whom a connection or a
 * broadcast was: that is for who is connected.
 */
export class Leftovers {
  readonly #hooks: LeftoversHooks
  #waiting: Leftover[] = []
  #byteCount = 0
  #work: Promise<void> | undefined
  #isClosing = false
  #isStoreAway = false

  constructor(hooks: LeftoversHooks) {
    this.#hooks = hooks
  }

  add(connection: Connection, frames: readonly Frame[]): void {
    for (const frame of frames) {
      const head = headOf(connection, frame)
      if (head !== undefined) this.#add({ frame, head })
    }
    // In the next turn: by then nobody finds the connection here any more.
    if (this.#waiting.length > 0) this.#work ??= nextTurn().then(() => this.#workOff())
  }

  /** Resolves once everything has been sent on, or cannot be: it tries once whether the store is there. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#work
  }

  #add(leftover: Leftover): void {
    const size = leftover.frame.bytes.length
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
      await this.#sendOnAll(onceForEachGroup(waiting))
      for (const { frame } of waiting) this.#byteCount -= frame.bytes.length
    }
    this.#work = undefined
  }

  async #sendOnAll(leftovers: readonly Leftover[]): Promise<void> {
    for (let start = 0; start < leftovers.length; start += AT_ONCE) {
      await Promise.all(leftovers.slice(start, start + AT_ONCE).map((leftover) => this.#sendOn(leftover)))
    }
  }

  async #sendOn({ frame, head }: Leftover): Promise<void> {
    if (this.#isClosing && this.#isStoreAway) return this.#hooks.onUndelivered(head)
    try {
      // Made only now: compressed ones may be large.
      await this.#hooks.sendOn({ ...head, payload: frame.payload })
      this.#isStoreAway = false
    } catch (error) {
      this.#isStoreAway = isFlotillaError(error) && error.code === 'FLT_STORE_AWAY'
      this.#hooks.onUndelivered(head)
      this.#hooks.onError(error)
    }
  }
}

interface Leftover {
  readonly frame: Frame
  /** The push that is left of it. */
  readonly head: PushHead
}

/** Of a push to several users, only the connection's own is left. */
function headOf({ uid }: Connection, { push }: Frame): PushHead | undefined {
  if (push?.to.type === 'groups') return push
  const users = push?.to.type === 'users' ? push.to.users.filter((user) => user.uid === uid) : []
  return push === undefined || users.length === 0 ? undefined : { ...push, to: { type: 'users', users } }
}

/** Many members of a group may leave the same message behind. */
function onceForEachGroup(leftovers: readonly Leftover[]): readonly Leftover[] {
  const seen = new Set<string>()
  return leftovers.filter(({ head: { id, to } }) => {
    if (to.type !== 'groups') return true
    const isNew = !seen.has(id)
    seen.add(id)
    return isNew
  })
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
