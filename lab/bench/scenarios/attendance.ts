import type { JournalRow } from '../rig/journal.ts'
import type { PushNote } from '../rig/node-process.ts'

/** The copies that the members of a group were owed, and those that they received. */
export interface Attendance {
  /** Copies that members were owed, because they were there from before the push's call until it had resolved. */
  readonly owedCount: number
  /** How many of these never arrived on any connection. */
  readonly lostCount: number
  /** Copies that arrived again. */
  readonly repeatedCount: number
  /** Copies that arrived after their member had left and come back. */
  readonly afterReturnCount: number
  /** How long the other copies took from call to arrival, in ns, sorted. */
  readonly latencies: Float64Array
}

/** A time during which a place was taken. */
interface Stay {
  readonly from: number
  to: number
}

/** Compares what happened to connections with the pushes that were made to all of them. */
export class Register {
  readonly #pushes: readonly PushNote[]
  readonly #stays = new Map<number, Stay[]>()
  /** For each place, the pushes that have arrived. */
  readonly #received = new Map<number, Uint8Array>()
  readonly #latencies: number[] = []
  #repeatedCount = 0
  #afterReturnCount = 0

  constructor(pushes: readonly PushNote[]) {
    this.#pushes = pushes.toSorted((a, b) => a.calledAt - b.calledAt)
  }

  note({ event, place, at, sentAt }: JournalRow): void {
    const stays = this.#stays.get(place) ?? []
    const last = stays.at(-1)
    if (event === 'ready') this.#stays.set(place, [...stays, { from: at, to: Number.POSITIVE_INFINITY }])
    else if (last === undefined) throw new Error('the journal begins with a connection that was never opened')
    else if (event === 'left') last.to = at
    else this.#receive(place, sentAt, at, last.from)
  }

  close(): Attendance {
    let [owedCount, lostCount] = [0, 0]
    for (const [place, stays] of this.#stays) {
      const received = this.#receivedBy(place)
      for (const { from, to } of stays) {
        for (let index = this.#firstSince(from); index < this.#pushes.length; index++) {
          const { calledAt, settledAt } = this.#pushes[index]!
          if (calledAt > to) break
          if (settledAt > to) continue
          owedCount++
          if (received[index] === 0) lostCount++
        }
      }
    }
    return {
      owedCount,
      lostCount,
      repeatedCount: this.#repeatedCount,
      afterReturnCount: this.#afterReturnCount,
      latencies: Float64Array.from(this.#latencies).toSorted(),
    }
  }

  #receive(place: number, sentAt: number, at: number, readyAt: number): void {
    const index = this.#firstSince(sentAt)
    // Pushes of the warm-up, and those that failed, have no entry.
    if (this.#pushes[index]?.calledAt !== sentAt) return
    const received = this.#receivedBy(place)
    if (received[index] === 1) this.#repeatedCount++
    else if (sentAt < readyAt) this.#afterReturnCount++
    else this.#latencies.push(at - sentAt)
    received[index] = 1
  }

  #receivedBy(place: number): Uint8Array {
    const known = this.#received.get(place)
    if (known !== undefined) return known
    const received = new Uint8Array(this.#pushes.length)
    this.#received.set(place, received)
    return received
  }

  /** The index of the first push that was called then or later. */
  #firstSince(time: number): number {
    let [low, high] = [0, this.#pushes.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#pushes[middle]!.calledAt < time) low = middle + 1
      else high = middle
    }
    return low
  }
}
