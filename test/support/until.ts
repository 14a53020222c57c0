import { setTimeout as pause } from 'node:timers/promises'

type Condition = () => boolean | Promise<boolean>

/** Looking takes a tenth of the time at most, because whatever is waited for needs the processor, too. */
const PAUSE_PER_LOOK = 9
const LONGEST_PAUSE = 100

/** Waits until the condition holds, but no longer than the timeout: whether it does. */
export async function comesTrue(condition: Condition, timeout: number, every: number): Promise<boolean> {
  const deadline = performance.now() + timeout
  for (;;) {
    const start = performance.now()
    if (await condition()) return true
    const end = performance.now()
    if (end > deadline) return false
    await pause(Math.max(every, Math.min(LONGEST_PAUSE, PAUSE_PER_LOOK * (end - start))))
  }
}

/** Waits until the condition holds. The timeout only bounds a failure: no test may depend on how fast the machine is. */
export async function until(
  what: string,
  condition: Condition,
  { timeout = 120_000, every = 5 }: { timeout?: number; every?: number } = {},
): Promise<void> {
  if (!(await comesTrue(condition, timeout, every))) throw new Error(`not within ${timeout} ms: ${what}`)
}

/** Waits for something that only time brings about, such as the end of a lease. */
export function elapse(ms: number): Promise<void> {
  return pause(ms)
}
