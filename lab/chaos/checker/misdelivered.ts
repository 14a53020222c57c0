import type { Connection, Push } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** P8: nobody receives a push that is not for them. */
export function checkMisdelivered(evidence: Evidence): Finding {
  const book = new FindingBook()
  const { connections, pushes, strangers } = evidence.history
  for (const connection of connections) {
    book.checkedCount += connection.received.length
    for (const [place, number] of connection.received.entries()) {
      const at = connection.receivedAt[place]!
      const push = pushes[number]!
      const why = whyNotFor(connection, push, at)
      if (why === undefined) continue
      if (
        push.kind === 'group' &&
        !push.except.includes(connection.uid) &&
        wasSentAfter(evidence, connection, push, at)
      ) {
        book.exempted(
          'for a group whose member was another connection of the user, which had ended or whose node had died',
        )
        continue
      }
      book.violate({ at, what: why, push: number, connections: [connection.number], uids: [connection.uid] })
    }
  }
  for (const { at, connection, text } of strangers) {
    const what = `connection ${connection} got a message that is no push of this run: ${text.slice(0, 200)}`
    book.violate({ at, what, push: undefined, connections: [connection], uids: [] })
  }
  return book.finding('misdelivered', 'copies')
}

function whyNotFor(connection: Connection, push: Push, at: number): string | undefined {
  const { uid, number } = connection
  if (push.except.includes(uid)) return `${uid} is excepted and got it on connection ${number}`
  switch (push.kind) {
    case 'all':
      return undefined
    case 'uid':
      return push.uids.includes(uid) ? undefined : `it is not for ${uid}, who got it on connection ${number}`
    case 'group':
      return wasMember(connection, push, at)
        ? undefined
        : `${uid} is not in ${push.group} and got it on connection ${number}`
    default:
      throw push.kind satisfies never
  }
}

/**
 * Whether the user was a member at any time between the call and the receipt. A join or leave in progress may count or
 * not.
 */
function wasMember({ memberships }: Connection, push: Push, at: number): boolean {
  return memberships.some(
    ({ group, joiningAt, leftAt }) => group === push.group && joiningAt <= at && leftAt >= push.firstCalledAt,
  )
}

/** Within this many ms a node notices that a connection has ended, unless the node is paused. */
const NOTICED = 2_000

/**
 * A membership ends with its connection. A message that was located for the group before the end was known is sent to
 * the user's other connections.
 */
function wasSentAfter(evidence: Evidence, { uid, number }: Connection, push: Push, at: number): boolean {
  const others = evidence.byUid.get(uid) ?? []
  return others.some((other) => {
    if (other.number === number || !wasMember(other, push, at)) return false
    const diedAt = evidence.deathOf(other) ?? Number.POSITIVE_INFINITY
    if (diedAt < at || evidence.absenceIn(other, push.firstCalledAt, at) !== undefined) return true
    return other.closedAt < at && push.firstCalledAt < noticedAt(evidence, other)
  })
}

/** The latest time at which the connection's node learned that the connection had ended. */
function noticedAt(evidence: Evidence, { slot, closedAt }: Connection): number {
  const faults = evidence.faults.filter((fault) => {
    return fault.slots.includes(slot) && fault.from <= closedAt && fault.to >= closedAt
  })
  return Math.max(closedAt, ...faults.map(({ to }) => to)) + NOTICED + evidence.times.slack
}
