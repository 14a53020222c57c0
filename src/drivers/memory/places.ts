import type { NodeId } from '../../envelope/ids.ts'
import type { Stream } from './stream.ts'

/** How long a gone node's place is held, in ms. */
const HOLD_PLACE = 60_000

/** How far each node has acked the broadcasts. The stream forgets what all of them have acked. */
export class Places {
  readonly #broadcasts: Stream
  readonly #now: () => number
  readonly #places = new Map<NodeId, number>()
  /** The places of nodes that are gone, kept for a while because their processes may come back. */
  readonly #held = new Map<NodeId, { readonly place: number; readonly until: number }>()

  /** @param now the store's clock, in ms */
  constructor(broadcasts: Stream, now: () => number) {
    this.#broadcasts = broadcasts
    this.#now = now
  }

  get count(): number {
    return this.#places.size
  }

  get readers(): readonly NodeId[] {
    return [...this.#places.keys()]
  }

  /** The place of the node that has acked the least. */
  get slowest(): number {
    return Math.min(...this.#places.values())
  }

  of(node: NodeId): number | undefined {
    return this.#places.get(node)
  }

  /** A node that has a place keeps it. */
  open(node: NodeId, before: NodeId | undefined): number {
    const known = this.#places.get(node)
    if (known !== undefined) return known
    // Invariant A1: a place before anybody is bound here, or broadcasts from then on would be missed.
    const earlier = before === undefined ? undefined : (this.#places.get(before) ?? this.#held.get(before)?.place)
    const place = earlier ?? this.#broadcasts.last
    this.#places.set(node, place)
    return place
  }

  ack(node: NodeId, position: number): void {
    const place = this.#places.get(node)
    if (place === undefined) return
    this.#places.set(node, Math.max(place, position))
    this.#trim()
  }

  remove(node: NodeId): void {
    this.#places.delete(node)
    this.#trim()
  }

  /** Keeps what comes after the place of a gone node, for a while. */
  hold(node: NodeId, place: number): void {
    this.#places.delete(node)
    this.#held.set(node, { place, until: this.#now() + HOLD_PLACE })
    // Invariant A5: it lapses although nobody broadcasts.
    // The next broadcast or ack, which would trim as well, may be long in coming.
    setTimeout(() => this.#trim(), HOLD_PLACE + 1).unref()
  }

  /** Gives up all held places. */
  letGo(): void {
    this.#held.clear()
    this.#trim()
  }

  #trim(): void {
    for (const [node, { until }] of this.#held) if (until <= this.#now()) this.#held.delete(node)
    // Invariant A2: to the slowest, never to a length, which would leave a hole that nobody sees.
    const held = Array.from(this.#held.values(), ({ place }) => place)
    this.#broadcasts.forgetUpTo(Math.min(this.#broadcasts.last, ...this.#places.values(), ...held))
  }
}
