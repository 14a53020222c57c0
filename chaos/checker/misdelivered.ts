import type { Connection, Push } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** P8: nobody gets what is not for them. */
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
        wasStranded(evidence, connection, push, at)
      ) {
        book.exempted('for a group that its user was in on a node that died or was evicted')
        continue
      }
      book.violate({ at, what: why, push: number, connections: [connection.number], uids: [connection.uid] })
    }
  }
  for (const { at, connection, text } of strangers) {
    const what = `connection ${connection} got what nobody of this run has pushed: ${text.slice(0, 200)}`
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

/** At any time from the call to the receipt; a join or leave that is under way may count or not. */
function wasMember({ memberships }: Connection, push: Push, at: number): boolean {
  return memberships.some(
    ({ group, joiningAt, leftAt }) => group === push.group && joiningAt <= at && leftAt >= push.firstCalledAt,
  )
}

/** Its memberships went with the node; what was on its way to the group there is sent after its users. */
function wasStranded(evidence: Evidence, { uid, number }: Connection, push: Push, at: number): boolean {
  const others = evidence.byUid.get(uid) ?? []
  return others.some((other) => {
    if (other.number === number || !wasMember(other, push, at)) return false
    const diedAt = evidence.deathOf(other) ?? Number.POSITIVE_INFINITY
    return diedAt < at || evidence.absenceIn(other, push.firstCalledAt, at) !== undefined
  })
}
