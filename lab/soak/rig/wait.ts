import { setTimeout as pause } from 'node:timers/promises'

const POLL = 250

/** Whether it came true in time. */
export async function comesTrue(condition: () => Promise<boolean>, timeout: number): Promise<boolean> {
  const deadline = performance.now() + timeout
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await pause(POLL)
  }
  return true
}
