/**
 * A sign on objects of Flotilla. An application may load this package twice, in a monorepo or because a tool compiles
 * some of its files to CommonJS. `instanceof` knows the objects of one copy alone; a brand is the same in all of them,
 * whatever their versions.
 */
export class Brand {
  readonly #key: symbol

  /** @param name MUST stay the same in every version */
  constructor(name: string) {
    this.#key = Symbol.for(`flotilla.${name}`)
  }

  /** Puts the brand on an object, and so on everything that inherits from it. */
  put(target: object): void {
    Object.defineProperty(target, this.#key, { value: true })
  }

  isOn(value: unknown): boolean {
    return typeof value === 'object' && value !== null && (value as { [key: symbol]: unknown })[this.#key] === true
  }
}
