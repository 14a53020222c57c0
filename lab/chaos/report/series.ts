import { percentile } from '../../report/numbers.ts'
import type { History } from '../history.ts'

export interface Series {
  /** ms between two values. */
  readonly step: number
  readonly values: readonly number[]
}

const STEP = 500

/** The pushes, failures, receipts and latencies of each half second. A push counts at the time of its call. */
export function seriesOf(history: History, end: number): Record<'pushes' | 'failed' | 'received' | 'p99', Series> {
  const count = Math.ceil(end / STEP)
  const zeros = (): number[] => Array.from({ length: count }, () => 0)
  const [pushes, failed, received] = [zeros(), zeros(), zeros()]
  const latencies = Array.from({ length: count }, (): number[] => [])
  const place = (at: number): number => Math.min(count - 1, Math.max(0, Math.floor(at / STEP)))
  for (const { firstCalledAt, outcome } of history.pushes) {
    const at = place(firstCalledAt)
    pushes[at]! += 1_000 / STEP
    if (outcome !== 'resolved') failed[at]! += 1_000 / STEP
  }
  for (const connection of history.connections) {
    for (const [index, number] of connection.received.entries()) {
      const at = connection.receivedAt[index]!
      received[place(at)]! += 1_000 / STEP
      latencies[place(at)]!.push(at - history.pushes[number]!.lastCalledAt)
    }
  }
  const p99 = latencies.map((each) => percentile(each, 0.99) ?? 0)
  const series = (values: readonly number[]): Series => ({ step: STEP, values })
  return { pushes: series(pushes), failed: series(failed), received: series(received), p99: series(p99) }
}
