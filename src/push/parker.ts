import type { Parked, Parking } from '../drivers/parking.ts'
import type { Codec, PushEnvelope, UserRef } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'

/** How many users one call parks for, unless a single push has more. */
const PORTION = 4_096

export interface ParkerOptions {
  /** A node that is known not to have the users. */
  readonly ignored?: NodeId | undefined
  /** For how many ms the push is parked: for a minute, unless given. */
  readonly keepFor?: number | undefined
}

/** Parks pushes in State for users who are on no node. Pushes that are parked in the same turn go together. */
export class Parker {
  readonly #state: Pick<Parking, 'park'>
  readonly #codec: Codec
  /** Pushes that will be parked at the end of this turn, by the node that is ignored. */
  readonly #gathering = new Map<NodeId | undefined, Waiting[]>()

  constructor(state: Pick<Parking, 'park'>, codec: Codec) {
    this.#state = state
    this.#codec = codec
  }

  /** Answers for each user. */
  park(push: PushEnvelope, users: readonly UserRef[], { ignored, keepFor }: ParkerOptions): Promise<readonly Parked[]> {
    const known = this.#gathering.get(ignored)
    const gathered = known ?? []
    if (known === undefined) {
      this.#gathering.set(ignored, gathered)
      setImmediate(() => {
        this.#gathering.delete(ignored)
        void this.#parkAll(gathered, ignored)
      })
    }
    return new Promise((resolve, reject) => void gathered.push({ push, users, keepFor, resolve, reject }))
  }

  async #parkAll(gathered: readonly Waiting[], ignored: NodeId | undefined): Promise<void> {
    for (const portion of portionsOf(gathered)) {
      const parcels = portion.map(({ push, users, keepFor }) => {
        return { id: push.id, bytes: this.#write(push), users, ...(keepFor !== undefined && { keepFor }) }
      })
      try {
        const answers = await this.#state.park(parcels, ignored)
        for (const [index, { resolve }] of portion.entries()) resolve(answers[index] ?? [])
      } catch (error) {
        for (const { reject } of portion) reject(error)
      }
    }
  }

  /** Written without its users: State keeps each user and stamp beside the bytes, which all of them share. */
  #write(push: PushEnvelope): Uint8Array {
    const copy = { ...push, to: { type: 'users' as const, users: [] }, resent: true }
    return this.#codec.encode({ publisher: '', seq: 0, envelopes: [copy] })
  }
}

interface Waiting {
  readonly push: PushEnvelope
  readonly users: readonly UserRef[]
  readonly keepFor: number | undefined
  readonly resolve: (answers: readonly Parked[]) => void
  readonly reject: (error: unknown) => void
}

/** Limits the users of one call: a push to a large group is parked for as many users as the group had members. */
function* portionsOf(gathered: readonly Waiting[]): Generator<readonly Waiting[]> {
  let portion: Waiting[] = []
  let count = 0
  for (const waiting of gathered) {
    if (portion.length > 0 && count + waiting.users.length > PORTION) {
      yield portion
      portion = []
      count = 0
    }
    portion.push(waiting)
    count += waiting.users.length
  }
  if (portion.length > 0) yield portion
}
