import type { Found, LoneTarget, Routes } from '../drivers/routes.ts'
import type { Recipients, Codec, UserRef } from '../envelope/envelope.ts'
import type { NodeId, Uid } from '../envelope/ids.ts'
import type { Dispatch } from './dispatch.ts'
import type { Share, Split } from './lookup-answers.ts'

type AppendWhereFound = NonNullable<Routes['appendWhereFound']>

/**
 * Sends a push to one user or one group in one round trip, which looks up and appends, if the store can do that and
 * nothing else is under way.
 */
export class DirectSender {
  readonly #append: AppendWhereFound
  readonly #codec: Codec
  readonly #publisher: string
  #seq = 0

  /** @param publisher numbers these batches apart from those that appenders send */
  constructor(append: AppendWhereFound, codec: Codec, publisher: string) {
    this.#append = append
    this.#codec = codec
    this.#publisher = `${publisher}+`
  }

  /**
   * Resolves to the shares that were sent. If `self` is among the nodes, its share must still be delivered there. Resolves
   * to `undefined` if nothing was sent: the target has to be located first.
   */
  async send(dispatch: Dispatch, self: NodeId | undefined): Promise<Split | undefined> {
    const target = loneTargetOf(dispatch)
    if (target === undefined) return undefined
    const envelope = dispatch.make(recipientsOf(target, 0))
    const [publisher, seq] = [this.#publisher, ++this.#seq]
    const bytes = this.#codec.encode({ publisher, seq, envelopes: [envelope] })
    const found = await this.#append(target, { publisher, seq, bytes }, self)
    if (found === undefined) return undefined
    const split = splitOf(target, found)
    return dispatch.hold === undefined ? split : { ...split, away: awayOf(split, found) }
  }
}

/** A later copy bears the stamps of the first, and a push with an id is looked up while the id is reserved. */
function loneTargetOf({ target, isFirstCopy, reservation }: Dispatch): LoneTarget | undefined {
  if (isFirstCopy !== true || reservation !== undefined) return undefined
  if (target.type === 'users' && target.uids.length === 1) return { type: 'user', uid: target.uids[0]! }
  if (target.type === 'groups' && target.groups.length === 1) return { type: 'group', group: target.groups[0]! }
  return undefined
}

function recipientsOf(target: LoneTarget, stamp: number): Recipients {
  if (target.type === 'user') return { type: 'users', users: [{ uid: target.uid, stamp }] }
  return { type: 'groups', groups: [{ group: target.group, stamp }] }
}

function splitOf(target: LoneTarget, { nodes, stamp }: Found): Split {
  const to = recipientsOf(target, stamp)
  const shares = nodes.map((node): Share => ({ node, to }))
  // A group without members is empty, not offline.
  return { shares, offline: shares.length === 0 && target.type === 'user' ? [target.uid] : [] }
}

function awayOf({ offline }: Split, { stamp }: Found): readonly UserRef[] {
  return (offline as readonly Uid[]).map((uid) => ({ uid, stamp }))
}
