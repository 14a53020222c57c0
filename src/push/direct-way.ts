import type { Found, LoneTarget, Routes } from '../drivers/routes.ts'
import type { Address, Codec, Envelope } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import type { Order } from './job.ts'
import type { LocatableTarget } from './locator.ts'
import type { Share, Shares } from './shares.ts'

type AppendWhereFound = NonNullable<Routes['appendWhereFound']>

/**
 * What is pushed while nothing else is under way, to one user or one group: it is looked up and appended in one round trip,
 * where the store can do that.
 */
export class DirectWay {
  readonly #append: AppendWhereFound
  readonly #codec: Codec
  readonly #publisher: string
  #seq = 0

  /** @param publisher numbers these batches apart from those of the lanes */
  constructor(append: AppendWhereFound, codec: Codec, publisher: string) {
    this.#append = append
    this.#codec = codec
    this.#publisher = `${publisher}+`
  }

  /**
   * Who has it now, but for `self`, where it is yet to be delivered if that is among them. Nothing where it was not sent: it
   * has to go the usual way.
   */
  async send(order: Order, self: NodeId | undefined): Promise<Shares | undefined> {
    const target = aloneIn(order)
    if (target === undefined) return undefined
    const envelope = order.make(addressOf(target, 0))
    if (!isFirstCopy(envelope)) return undefined
    const [publisher, seq] = [this.#publisher, ++this.#seq]
    const bytes = this.#codec.encode({ publisher, seq, envelopes: [envelope] })
    const found = await this.#append(target, { publisher, seq, bytes }, self)
    return found === undefined ? undefined : sharesOf(target, found)
  }
}

function aloneIn({ target, skip, ignoring }: Order): LoneTarget | undefined {
  if (ignoring !== undefined || (skip !== undefined && skip.length > 0)) return undefined
  return loneTarget(target)
}

function loneTarget(target: LocatableTarget): LoneTarget | undefined {
  if (target.type === 'users' && target.uids.length === 1) return { type: 'user', uid: target.uids[0]! }
  if (target.type === 'groups' && target.groups.length === 1) return { type: 'group', group: target.groups[0]! }
  return undefined
}

/** A later one bears the stamps of the first. */
function isFirstCopy(envelope: Envelope): boolean {
  return envelope.type === 'push' && !envelope.resent
}

function addressOf(target: LoneTarget, stamp: number): Address {
  if (target.type === 'user') return { type: 'users', users: [{ uid: target.uid, stamp }] }
  return { type: 'groups', groups: [{ group: target.group, stamp }] }
}

function sharesOf(target: LoneTarget, { nodes, stamp }: Found): Shares {
  const to = addressOf(target, stamp)
  const shares = nodes.map((node): Share => ({ node, to }))
  // A group that nobody is in is empty, not offline.
  return { shares, offline: shares.length === 0 && target.type === 'user' ? [target.uid] : [] }
}
