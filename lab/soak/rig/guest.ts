import type { Store } from '../../rig/store.ts'
import { SoakNode } from './soak-node.ts'
import { stay } from './stay.ts'

/** ms, and as long again at most. */
const STAY = 30_000

/** A node that comes and goes, so that what others remember of those who have gone shows. */
export class Guest {
  readonly #name: string
  readonly #store: Store
  #node: SoakNode | undefined
  #count = 0

  constructor(name: string, store: Store) {
    this.#name = name
    this.#store = store
  }

  /** Where it is now, if it is there. */
  get url(): string | undefined {
    return this.#node?.url
  }

  /** How often it came. */
  get count(): number {
    return this.#count
  }

  /** Comes and goes until it is told to stop; then it leaves. */
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
