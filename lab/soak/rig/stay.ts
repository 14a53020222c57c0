import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for this many ms, or until the soak is over. */
export async function stay(ms: number, isOver: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: isOver }).catch(() => {})
}
