/** Publishers that were silent for so many others' batches are forgotten. */
const MAX_PUBLISHERS = 10_000

/** Which batches of each publisher were read: one that was appended twice, because a reply was lost, is read once. */
export class SeenBatches {
  readonly #last = new Map<string, number>()

  /** True the first time a batch is seen. */
  isNew(publisher: string, seq: number): boolean {
    const last = this.#last.get(publisher) ?? 0
    // Invariant B4: a batch whose reply was lost is appended twice.
    if (seq <= last) return false
    // Taken out and put back, a publisher moves to the end: those at the front have been silent longest.
    this.#last.delete(publisher)
    this.#last.set(publisher, seq)
    if (this.#last.size > MAX_PUBLISHERS) this.#last.delete(this.#last.keys().next().value!)
    return true
  }
}
