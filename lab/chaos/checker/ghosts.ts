import type { FaultWindow } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** A look is taken every 200 ms, and its answer takes a moment on a machine with much to do. */
const LOOK = 700

/** P4: nobody is listed, located or counted on a dead node after `deadAfter` and a heartbeat. */
export function checkGhosts(evidence: Evidence): Finding {
  const book = new FindingBook()
  const { history, times } = evidence
  const died = history.nodes.filter(({ type, node }) => (type === 'killed' || type === 'died') && node !== '')
  book.checkedCount = died.length
  let longest = 0
  for (const { node, by, diedAt, lastSeenAt, where } of history.sightings) {
    const took = lastSeenAt - diedAt
    longest = Math.max(longest, took)
    const bound = times.deadAfter + times.heartbeat + LOOK + times.slack
    if (took <= bound) continue
    const hindrance = hindranceOf(evidence, diedAt, lastSeenAt, bound)
    if (hindrance !== undefined) {
      book.exempted(`seen longer, as ${hindrance.name} kept the others from evicting`)
      continue
    }
    const what = `${node} was killed, and ${by} still saw it among ${where} ${Math.round(took)} ms later (${bound} at most)`
    book.violate({ at: lastSeenAt, what, push: undefined, connections: [], uids: [] })
  }
  book.notes.push(`the longest was seen for ${(longest / 1_000).toFixed(1)} s`)
  return book.finding('ghosts', 'deaths')
}

/**
 * Leases do not run while nobody is heard, and those of the living start anew after that: faults of the store, or of all
 * the survivors, put an eviction off. The bound counts from when they were all well again.
 */
function hindranceOf(evidence: Evidence, diedAt: number, lastSeenAt: number, bound: number): FaultWindow | undefined {
  const { faults, times } = evidence
  return faults.find((fault) => {
    const overlaps = fault.from < lastSeenAt && fault.to > diedAt - times.deadAfter - 2 * times.heartbeat
    // Its own death is no excuse, unless it hindered others: the store, or most of them.
    const hinders = fault.slots.length === 0 || fault.slots.length > 1 || fault.from > diedAt
    return overlaps && hinders && lastSeenAt <= fault.to + times.deadAfter + 2 * times.heartbeat + bound
  })
}
