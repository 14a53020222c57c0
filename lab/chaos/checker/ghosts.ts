import type { FaultWindow } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/**
 * How many ms longer a dead node may still be seen, because the others are asked only every 200 ms, and on a busy
 * machine they take a while to answer.
 */
const LOOK = 700

/** P4: after `deadAfter` and a heartbeat, nobody is listed, located or counted on a dead node any more. */
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
      book.exempted(`seen longer, because ${hindrance.name} kept the others from evicting`)
      continue
    }
    const what = `${node} was killed, and ${by} still saw it among ${where} ${Math.round(took)} ms later (${bound} at most)`
    book.violate({ at: lastSeenAt, what, push: undefined, connections: [], uids: [] })
  }
  book.notes.push(`a dead node was seen for at most ${(longest / 1_000).toFixed(1)} s`)
  return book.finding('ghosts', 'deaths')
}

/**
 * Leases do not run out while no node is heard, and the living get new leases after that. Therefore a fault of the
 * store, or of all survivors, delays an eviction, and the bound counts from the time when all of them were well again.
 */
function hindranceOf(evidence: Evidence, diedAt: number, lastSeenAt: number, bound: number): FaultWindow | undefined {
  const { faults, times } = evidence
  return faults.find((fault) => {
    const overlaps = fault.from < lastSeenAt && fault.to > diedAt - times.deadAfter - 2 * times.heartbeat
    // The node's own death is no excuse, unless the same fault also hit the store or most other nodes.
    const hinders = fault.slots.length === 0 || fault.slots.length > 1 || fault.from > diedAt
    return overlaps && hinders && lastSeenAt <= fault.to + times.deadAfter + 2 * times.heartbeat + bound
  })
}
