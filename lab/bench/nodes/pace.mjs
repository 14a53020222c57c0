import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** After this much time, or this many calls, the event loop gets a turn, however far behind the pace is. */
const TURN_MS = 10
const TURN_CALLS = 2_000

/**
 * Calls `send(index)` at a rate. If one turn of the event loop makes too few calls, the next one catches up. Resolves
 * to how often it called, and for how long.
 *
 * @param {{ rate: number, seconds: number, signal: AbortSignal }} plan
 * @param {(index: number) => void} send
 */
export async function pace({ rate, seconds, signal }, send) {
  const begin = performance.now()
  const passed = () => (performance.now() - begin) / 1000
  let sent = 0
  for (let now = 0; now < seconds && !signal.aborted; now = passed()) {
    sent = sendWhatIsDue(sent, Math.min(now * rate, rate * seconds), send)
    const untilNext = ((sent + 1) / rate - passed()) * 1000
    // Sleeps at least a millisecond, because a loop that spins takes the core from the store and the client.
    await (untilNext > 0 ? sleep(Math.min(untilNext, 100)) : nextTurn())
  }
  return { sent, seconds: passed() }
}

/**
 * @param {number} sent
 * @param {number} due
 * @param {(index: number) => void} send
 */
function sendWhatIsDue(sent, due, send) {
  const end = performance.now() + TURN_MS
  const most = sent + TURN_CALLS
  while (sent < due && sent < most) {
    send(sent++)
    if (performance.now() > end) break
  }
  return sent
}
