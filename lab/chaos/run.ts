import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { comesTrue } from '../../test/support/until.ts'
import { check } from './checker/check.ts'
import type { Verdict } from './checker/verdict.ts'
import type { People } from './faults/fault.ts'
import { type FaultWindow, History } from './history.ts'
import type { Progress } from './report/progress.ts'
import { GhostWatch } from './rig/ghost-watch.ts'
import { Stage } from './rig/stage.ts'
import { calmEnd, type Scheduled, scheduleOf } from './schedule.ts'
import type { Settings } from './settings.ts'
import { Traffic } from './traffic/traffic.ts'

const CONNECT_PATIENCE = 15_000
const SETTLE_PATIENCE = 15_000
const POLL = 50
/** If no message arrives for this long, in ms, none is in flight any more. */
const LAST_RECEIPTS = 3_000
/** An entry that has not been read from an inbox after this many ms is late. */
const EMPTY_PATIENCE = 60_000
/** At most this much of the slack is added to `LAST_RECEIPTS`, in ms. */
const MOST_SLACK = 10_000

export interface Result {
  readonly settings: Settings
  readonly history: History
  readonly verdict: Verdict
  /** CPU time of the harness itself. */
  readonly cpuSeconds: number
  /**
   * The longest time that the harness could not run, in ms. If the machine is that busy, nodes cannot renew their
   * leases either.
   */
  readonly longestStall: number
}

/**
 * One run: pushes go on while one fault follows another, and for a while after the last fault. In the end everything
 * that was observed is checked.
 */
export async function run(settings: Settings, folder: string, progress: Progress): Promise<Result> {
  const history = new History()
  const stage = await Stage.build(settings, history, folder)
  const traffic = new Traffic(settings, stage, history)
  const watch = new GhostWatch(stage.nodes, history, stage.clock)
  const before = process.cpuUsage()
  const stalls = monitorEventLoopDelay({ resolution: 10 })
  stalls.enable()
  progress.begin({ settings, history, clock: stage.clock, received: () => traffic.receiver.count })
  try {
    await traffic.connect()
    await comesTrue(
      () => traffic.clients.every(({ isConnected }) => isConnected),
      CONNECT_PATIENCE + settings.slack,
      POLL,
    )
    traffic.start()
    const startedAt = stage.clock.now
    await breakThings(settings, stage, traffic, history, progress)
    traffic.calm()
    await sleep(startedAt + settings.seconds * 1_000 - stage.clock.now)
    traffic.stop()
    await comesTrue(
      () => history.pushes.every(({ outcome }) => outcome !== 'pending'),
      SETTLE_PATIENCE + settings.slack,
      POLL,
    )
    await untilQuiet(settings, traffic)
    await stage.inboxes.untilEmpty(EMPTY_PATIENCE + settings.slack)
    await untilQuiet(settings, traffic)
    history.standing.push(...(await stage.inboxes.standing()))
    history.until = stage.clock.now
  } finally {
    watch.stop()
    progress.end()
    await traffic.close()
    await stage.close()
  }
  const { user, system } = process.cpuUsage(before)
  stalls.disable()
  return {
    settings,
    history,
    verdict: check(history, settings),
    cpuSeconds: (user + system) / 1e6,
    longestStall: stalls.max / 1e6,
  }
}

async function breakThings(
  settings: Settings,
  stage: Stage,
  people: People,
  history: History,
  progress: Progress,
): Promise<void> {
  const { clock } = stage
  const until = clock.now + settings.seconds * 1_000 - calmEnd(settings)
  for (const fault of scheduleOf(settings)) {
    await sleep(Math.max(0, Math.min(fault.quiet, until - clock.now)))
    if (clock.now >= until) return
    await happen(fault, stage, people, history, progress)
  }
}

async function happen(
  fault: Scheduled,
  stage: Stage,
  people: People,
  history: History,
  progress: Progress,
): Promise<void> {
  const { name, detail, slots, isHarmless } = fault
  const { clock } = stage
  const window: FaultWindow = {
    name,
    detail,
    from: clock.now,
    to: Number.POSITIVE_INFINITY,
    slots,
    destroyed: undefined,
    isHarmless,
  }
  history.faults.push(window)
  progress.note(`${name}: ${detail}`)
  await fault.run(stage, window, people)
  window.to = clock.now
}

/** Waits until nothing more arrives. */
async function untilQuiet({ slack }: Settings, { receiver }: Traffic): Promise<void> {
  const deadline = performance.now() + slack
  let count: number
  do {
    count = receiver.count
    await sleep(LAST_RECEIPTS + Math.min(slack, MOST_SLACK))
  } while (receiver.count !== count && performance.now() < deadline)
}
