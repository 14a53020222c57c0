import type { Connection, Push } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/**
 * P2: on one connection, the first copies of one publisher's pushes to one target arrive in the order of the calls. A
 * push that was called again under its id was called at several times. It is late only if even its last call came
 * before the other push's first call.
 */
export function checkOrder(evidence: Evidence): Finding {
  const book = new FindingBook()
  for (const connection of evidence.history.connections) checkConnection(evidence, book, connection)
  return book.finding('order', 'first copies')
}

function checkConnection(evidence: Evidence, book: FindingBook, connection: Connection): void {
  const { pushes } = evidence.history
  const newest = new Map<string, Push>()
  const seen = new Set<number>()
  for (const [place, number] of connection.received.entries()) {
    if (seen.has(number)) continue
    seen.add(number)
    const push = pushes[number]!
    book.checkedCount++
    const stream = streamOf(push, connection)
    const before = newest.get(stream)
    if (before === undefined || push.firstCalledAt >= before.firstCalledAt) newest.set(stream, push)
    if (before === undefined || !isLate(push, before)) continue
    const at = connection.receivedAt[place]!
    const excuse = excuseOf(evidence, connection, push, before, at)
    if (excuse !== undefined) book.exempted(excuse)
    else violate(book, connection, push, before, at)
  }
}

/** The number tells apart pushes that were called in the same millisecond. */
function isLate(push: Push, before: Push): boolean {
  if (push.callCount > 1) return push.lastCalledAt < before.firstCalledAt
  return push.number < before.number
}

function streamOf({ publisher, kind, group }: Push, { uid }: Connection): string {
  return `${publisher} ${kind} ${kind === 'uid' ? uid : (group ?? '')}`
}

/** Excuses copies that were sent again, to a connection that was bound after the push was located. */
function excuseOf(
  evidence: Evidence,
  connection: Connection,
  push: Push,
  before: Push,
  at: number,
): string | undefined {
  // A push with an id first reserves the id, each in a round trip of its own. A caller who needs an order awaits the
  // receipt.
  if (push.id !== undefined && before.firstCalledAt <= push.settledAt) {
    return 'it has an id, and was overtaken by a push that did not wait for its receipt'
  }
  if (connection.openedAt >= push.firstCalledAt) return 'sent again to a connection that was bound later'
  if (push.group !== undefined && !wasMember(connection, push, at)) return 'sent again to a member that joined later'
  if (evidence.absenceIn(connection, push.firstCalledAt, at) !== undefined) {
    return 'sent again to a connection that was bound again, because its node had been evicted'
  }
  return undefined
}

/**
 * Whether the user was a member all that time. A user who left and joined again in between counts as a member who
 * joined later.
 */
function wasMember({ memberships }: Connection, push: Push, at: number): boolean {
  return memberships.some(
    ({ group, joinedAt, leavingAt }) => group === push.group && joinedAt < push.firstCalledAt && leavingAt > at,
  )
}

function violate(book: FindingBook, connection: Connection, push: Push, before: Push, at: number): void {
  book.violate({
    at,
    what: `${connection.uid} got it on connection ${connection.number} after #${before.number} of the same publisher and target, which was called later`,
    push: push.number,
    other: before.number,
    connections: [connection.number],
    uids: [connection.uid],
  })
}
