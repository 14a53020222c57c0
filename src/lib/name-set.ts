/** A set of names. Most sets hold a single name and are never searched, so a `Set` is built only if it is needed. */
export class NameSet {
  #names: string | readonly string[] | Set<string>

  constructor(names: readonly string[]) {
    this.#names = names.length === 1 ? names[0]! : names
  }

  get size(): number {
    if (typeof this.#names === 'string') return 1
    return this.#names instanceof Set ? this.#names.size : this.#names.length
  }

  /** The only name, if the set was created with one name and none was added. */
  get only(): string | undefined {
    return typeof this.#names === 'string' ? this.#names : undefined
  }

  has(name: string): boolean {
    return typeof this.#names === 'string' ? this.#names === name : this.#toSet(this.#names).has(name)
  }

  add(name: string): void {
    this.#toSet(typeof this.#names === 'string' ? [this.#names] : this.#names).add(name)
  }

  #toSet(names: readonly string[] | Set<string>): Set<string> {
    if (names instanceof Set) return names
    const set = new Set(names)
    this.#names = set
    return set
  }
}
