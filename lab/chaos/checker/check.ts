import type { History } from '../history.ts'
import { checkBehind } from './behind.ts'
import { Evidence, type Times } from './evidence.ts'
import { checkGhosts } from './ghosts.ts'
import { checkLost } from './lost.ts'
import { checkMisdelivered } from './misdelivered.ts'
import { checkOrder } from './order.ts'
import { checkRepeated } from './repeated.ts'
import { checkService } from './service.ts'
import type { Verdict } from './verdict.ts'

/** Compares what was observed with what is promised. */
export function check(history: History, times: Times): Verdict {
  const evidence = new Evidence(history, times)
  const findings = [
    checkLost,
    checkRepeated,
    checkOrder,
    checkMisdelivered,
    checkGhosts,
    checkService,
    checkBehind,
  ].map((each) => each(evidence))
  return { findings, isKept: findings.every(({ violations }) => violations.length === 0) }
}
