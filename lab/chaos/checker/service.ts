import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** This many ms after the last fault everything has to work again. */
const RECOVERY = 15_000

/** Counts how many pushes failed and how many clients were refused, and checks that this ends. */
export function checkService(evidence: Evidence): Finding {
  const book = new FindingBook()
  const { history, times } = evidence
  const recovery = RECOVERY + times.slack
  const lastFault = Math.max(0, ...evidence.faults.map(({ to }) => to))
  const well = lastFault + recovery
  for (const push of history.pushes) {
    book.checkedCount++
    if (push.outcome === 'resolved') continue
    const isLate = push.firstCalledAt > well
    const isQuiet = evidence.faultsIn(push.firstCalledAt - recovery, push.settledAt).length === 0
    if (isLate || isQuiet) {
      const when = isLate ? `${recovery / 1_000} s after the last fault` : 'although nothing had failed'
      const what = `it ended as ${push.outcome} (${push.error ?? 'no answer'}), ${when}`
      book.violate({ at: push.firstCalledAt, what, push: push.number, connections: [], uids: [] })
    } else book.exempted(`push ${push.outcome}: ${push.error?.slice(0, 60) ?? 'no answer'}`)
  }
  for (const { at, slot, reason } of history.refusals) {
    if (at > well) {
      const what = `n${slot} refused a client (${reason}), ${recovery / 1_000} s after the last fault`
      book.violate({ at, what, push: undefined, connections: [], uids: [] })
    } else book.exempted(`client refused: ${reason}`)
  }
  return book.finding('service', 'pushes')
}
