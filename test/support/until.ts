import { setTimeout as pause } from 'node:timers/promises'

/** Waits until the condition holds, and fails with `what` when it does not in time: generous, for loaded machines. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeout = 15_000, every = 5 }: { timeout?: number; every?: number } = {},
): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await pause(every)
  }
}

/** For what only time brings about, such as a lease that runs out. */
export function elapse(ms: number): Promise<void> {
  return pause(ms)
}
