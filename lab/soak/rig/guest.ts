import type { Store } from '../../rig/store.ts'
import { SoakNode } from './soak-node.ts'
import { stay } from './stay.ts'

/** The least time that a guest stays, in ms. The most is twice as long. */
const STAY = 30_000

/** A node that joins and leaves, to show what the other nodes still remember of a node that is gone. */
export class Guest {
  readonly #name: string
  readonly #store: Store
  #node: SoakNode | undefined
  #count = 0

  constructor(name: string, store: Store) {
    this.#name = name
    this.#store = store
  }

  /** Its URL while it is running. */
  get url(): string | undefined {
    return this.#node?.url
  }

  /** How often it has joined. */
  get count(): number {
    return this.#count
  }

  /** Joins and leaves until it is told to stop, then leaves for good. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const node = await SoakNode.start(`${this.#name}${++this.#count}`, this.#store)
      this.#node = node
      await stay(STAY * (1 + Math.random()), signal)
      this.#node = undefined
      if (this.#count % 2 === 0) await node.kill()
      else await node.stop()
    }
  }
}
