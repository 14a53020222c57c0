/**
 * A queue in which `push` and `shift` cost the same at any length. The `shift` of an array moves all remaining items.
 */
export class Fifo<Item> {
  #items: (Item | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  get first(): Item | undefined {
    return this.#items[this.#head]
  }

  get last(): Item | undefined {
    return this.at(this.size - 1)
  }

  /** @param index 0 is the first item */
  at(index: number): Item | undefined {
    return this.#items[this.#head + index]
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): Item | undefined {
    if (this.size === 0) return undefined
    const first = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    // At least half of the array is empty now, so each shift pays for moving at most one item.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return first
  }
}
