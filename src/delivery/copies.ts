import type { Recipients } from '../envelope/envelope.ts'
import type { PushId } from '../envelope/ids.ts'
import { Fifo } from '../lib/fifo.ts'
import type { NameSet } from '../lib/name-set.ts'

/** One delivery of a push: to everyone who was bound to the names then, or to the connections with these ids. */
export interface Copy {
  readonly id: PushId
  readonly type: Recipients['type']
  readonly names: NameSet
  readonly except: { readonly uids: NameSet; readonly connections: NameSet } | undefined
  /** The number of this delivery; it grows from copy to copy. */
  readonly delivery: number
  /** Whether `names` are the ids of the connections reached, to which more may be added. */
  readonly isOpen: boolean
  /** When it was last delivered, in ms. */
  at: number
  /** The previous copy of the same push; it may have been forgotten. */
  readonly before: Copy | undefined
}

/** The copies that were delivered lately, found by the id of their push. The oldest are forgotten first. */
export class Copies {
  readonly #keepFor: number
  readonly #limit: number
  /** The newest copy of each push. */
  readonly #byPush = new Map<PushId, Copy>()
  readonly #copies = new Fifo<Copy>()
  #size = 0
  #forgottenCount = 0

  /**
   * @param keepFor ms
   * @param limit how many copies and names are kept: beyond it, the oldest are forgotten early
   */
  constructor(keepFor: number, limit: number) {
    this.#keepFor = keepFor
    this.#limit = limit
  }

  /** How many copies and names are kept. Memory grows in proportion. */
  get size(): number {
    return this.#size
  }

  /** How many copies were forgotten early. */
  get forgottenCount(): number {
    return this.#forgottenCount
  }

  /** The delivery of the oldest copy; infinite if there is none. */
  get oldest(): number {
    return this.#copies.first?.delivery ?? Number.POSITIVE_INFINITY
  }

  newestOf(id: PushId): Copy | undefined {
    return this.#size === 0 ? undefined : this.#byPush.get(id)
  }

  /** The previous copy of the same push. */
  olderThan({ before }: Copy): Copy | undefined {
    return before !== undefined && before.delivery >= this.oldest ? before : undefined
  }

  add(copy: Copy): void {
    this.#byPush.set(copy.id, copy)
    this.#copies.push(copy)
    this.#size += sizeOf(copy)
    this.#keepToLimit(copy.at)
  }

  extend(copy: Copy, names: readonly string[], now: number): void {
    this.#size -= sizeOf(copy)
    for (const name of names) copy.names.add(name)
    copy.at = now
    this.#size += sizeOf(copy)
    this.#keepToLimit(now)
  }

  forgetOld(now: number): void {
    while (this.#copies.size > 0 && now - this.#copies.first!.at > this.#keepFor) this.#forgetFirst()
  }

  forgetUpTo(delivery: number, now: number): void {
    while (this.oldest <= delivery) this.#forgetEarly(now)
  }

  #keepToLimit(now: number): void {
    while (this.#size > this.#limit) this.#forgetEarly(now)
  }

  #forgetEarly(now: number): void {
    if (now - this.#copies.first!.at <= this.#keepFor) this.#forgottenCount++
    this.#forgetFirst()
  }

  #forgetFirst(): void {
    const copy = this.#copies.shift()!
    this.#size -= sizeOf(copy)
    if (this.#byPush.get(copy.id) === copy) this.#byPush.delete(copy.id)
  }
}

/** At least one, for the copy itself; a single name costs no more, because `NameSet` keeps it without a set. */
function sizeOf({ names, except }: Copy): number {
  const excepted = except === undefined ? 0 : except.uids.size + except.connections.size
  return Math.max(names.size, 1) + excepted
}
