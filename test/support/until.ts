import { setTimeout as pause } from 'node:timers/promises'

/** Waits until the condition holds. The timeout only bounds a failure: no test may depend on how fast the machine is. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeout = 120_000, every = 5 }: { timeout?: number; every?: number } = {},
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
