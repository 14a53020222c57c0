import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/**
 * A connection receives a push once while nothing fails. After a fault it may receive the push again, recognizable by
 * its id.
 */
export function checkRepeated(evidence: Evidence): Finding {
  const book = new FindingBook()
  const { pushes, connections } = evidence.history
  for (const connection of connections) {
    book.checkedCount += connection.received.length
    for (const [number, count] of evidence.counts(connection)) {
      if (count === 1) continue
      const push = pushes[number]!
      const last = connection.receivedAt[connection.received.lastIndexOf(number)]!
      const [fault] = evidence.faultsIn(push.firstCalledAt, last)
      if (fault !== undefined) book.exempted(`again after ${fault.name}`)
      else {
        book.violate({
          at: last,
          what: `${connection.uid} got it ${count} times on connection ${connection.number}, and nothing had failed`,
          push: number,
          connections: [connection.number],
          uids: [connection.uid],
        })
      }
    }
  }
  return book.finding('repeated', 'copies')
}
