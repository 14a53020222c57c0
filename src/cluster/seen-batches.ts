/** How many publishers are remembered: beyond it, the one that has been silent longest is forgotten. */
const MAX_PUBLISHERS = 10_000

/** The last batch read of each publisher: a batch that was appended twice, because a reply was lost, counts once. */
export class SeenBatches {
  readonly #last = new Map<string, number>()

  /** True the first time a batch is seen. */
  isNew(publisher: string, seq: number): boolean {
    const last = this.#last.get(publisher) ?? 0
    // Invariant B4: a batch whose reply was lost is appended twice.
    if (seq <= last) return false
    // Deleting and setting it moves the publisher to the end, so the first key has been silent longest.
    this.#last.delete(publisher)
    this.#last.set(publisher, seq)
    if (this.#last.size > MAX_PUBLISHERS) this.#last.delete(this.#last.keys().next().value!)
    return true
  }
}
