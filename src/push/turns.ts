import type { ParsedTarget } from '../envelope/target.ts'
import { namesOf } from './targets.ts'

/** The place of one push among those for its target. */
export interface Turn {
  /** Settles once all that came before have begun; nothing where none has to. */
  readonly begun: Promise<void> | undefined
  /** It has begun, or never will: lets the next go. */
  end(): void
}

/**
 * Pushes to one target begin in the order in which they were made, although one with an id has to be claimed first. It
 * costs nothing while none is being claimed.
 */
export class Turns {
  /** Of each target, the last that has not begun. */
  readonly #last = new Map<string, Turn & { readonly done: Promise<void> }>()

  get areFree(): boolean {
    return this.#last.size === 0
  }

  take(target: ParsedTarget): Turn {
    const names = namesOf(target)
    const before = [...new Set(names.flatMap((name) => this.#last.get(name)?.done ?? []))]
    const begun = before.length === 0 ? undefined : Promise.all(before).then(() => {})
    let end!: () => void
    // One that ends before its turn has come still keeps those behind it behind those before it.
    const done = new Promise<void>((resolve) => (end = () => resolve(begun)))
    const turn = { begun, done, end }
    void done.then(() => {
      for (const name of names) if (this.#last.get(name) === turn) this.#last.delete(name)
    })
    for (const name of names) this.#last.set(name, turn)
    return turn
  }
}
