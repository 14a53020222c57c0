import { setTimeout as sleep } from 'node:timers/promises'

interface Retrying {
  /** ms between a failure and the next attempt. */
  readonly pause: number
  /** True once nobody needs the work any more. It is asked before each attempt. */
  readonly isOver: () => boolean
  readonly onFailure: (error: unknown) => void
}

/** Does some work again and again until it succeeds. Resolves to `undefined` if it was over before that. */
export async function retry<T>(work: () => Promise<T>, { pause, isOver, onFailure }: Retrying): Promise<T | undefined> {
  while (!isOver()) {
    try {
      return await work()
    } catch (error) {
      onFailure(error)
      await sleep(pause)
    }
  }
  return undefined
}
