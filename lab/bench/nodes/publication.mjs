import { setTimeout as sleep } from 'node:timers/promises'
import { stamp } from './message.mjs'
import { pace } from './pace.mjs'

/** How many ms pushes may take to settle after the last one was made. */
const PATIENCE_MS = 20_000

/**
 * Pushes at a rate without awaiting the pushes, and resolves to how they went.
 *
 * @param {(index: number, t: number) => Promise<unknown> | void} push
 * @param {{ rate: number, seconds: number, isNoted?: boolean }} plan `isNoted`: whether to report when each push was
 *   made and when it resolved.
 * @param {AbortSignal} signal Ends the publication early.
 */
export async function publish(push, plan, signal) {
  const tally = new Tally()
  const notes = plan.isNoted ? [] : undefined
  const paced = await pace({ ...plan, signal }, (index) => {
    const t = stamp()
    const result = push(index, t)
    tally.watch(result)
    if (notes)
      result.then(
        () => notes.push({ calledAt: t, settledAt: stamp() }),
        () => {},
      )
  })
  await tally.settled()
  return { ...paced, ...tally.counts, notes }
}

class Tally {
  #pending = 0
  #rejected = 0
  /** @type {string | undefined} */
  #error

  get counts() {
    return { rejected: this.#rejected, unsettled: this.#pending, error: this.#error }
  }

  /** @param {Promise<unknown> | void} result */
  watch(result) {
    if (result === undefined) return
    this.#pending++
    result.then(this.#resolved, this.#failed)
  }

  async settled() {
    const deadline = performance.now() + PATIENCE_MS
    while (this.#pending > 0 && performance.now() < deadline) await sleep(5)
  }

  #resolved = () => {
    this.#pending--
  }

  /** @param {unknown} error */
  #failed = (error) => {
    this.#pending--
    this.#rejected++
    this.#error ??= String(error)
  }
}
