import type { Connection, Push } from '../history.ts'
import type { Evidence } from './evidence.ts'
import { type Finding, FindingBook } from './verdict.ts'

/** If nothing fails, a connection that stays open for this long after a push resolved has received it. */
const CALM = 2_000
/**
 * At most this much of the slack is added to `CALM`, in ms. On a busy machine the harness reads late: bytes that have
 * arrived may still be in its kernel when a client leaves, and then nobody reads them.
 */
const MOST_SLACK = 10_000
const MAX_WAITING = 100
/**
 * A user who reconnects this soon after a node fell silent is back before any node can have declared that node dead.
 */
const BACK_SOON = 1_000
/** How long a node takes to end, at most, after it was told to. */
const END_TAKES = 8_000
/** How long a push waits for its user to come back. */
const KEPT_FOR = 60_000

/** P1, P3, P6, P10: a push that resolved arrives. README.md says what that means for each kind of target. */
export function checkLost(evidence: Evidence): Finding {
  const book = new FindingBook()
  for (const push of evidence.history.pushes) {
    if (push.outcome !== 'resolved') continue
    if (push.kind === 'uid') for (const uid of push.uids) checkUser(evidence, book, push, uid)
    else checkCrowd(evidence, book, push)
  }
  return book.finding('lost', 'copies owed')
}

function checkUser(evidence: Evidence, book: FindingBook, push: Push, uid: string): void {
  const connections = evidence.byUid.get(uid) ?? []
  const reached = connections.filter((connection) => evidence.has(connection, push))
  if (push.offline.includes(uid)) {
    checkOffline(evidence, book, push, connections)
    return
  }
  book.checkedCount++
  if (reached.length === 0) checkUnreached(evidence, book, push, uid, connections)
  else checkDevices(evidence, book, push, connections)
}

/** A user with an open connection must not be reported as offline. */
function checkOffline(evidence: Evidence, book: FindingBook, push: Push, connections: readonly Connection[]): void {
  const open = connections.filter((each) => {
    return each.openedAt < push.firstCalledAt && evidence.endOf(each) > push.settledAt
  })
  if (open.length === 0) return
  book.checkedCount++
  const present = open.filter((each) => evidence.absenceIn(each, push.firstCalledAt, push.settledAt) === undefined)
  if (present.length === 0) {
    book.exempted('called offline while its node was evicted')
    return
  }
  violate(evidence, book, push, present, `${present[0]!.uid} was called offline with an open connection`)
}

function checkUnreached(
  evidence: Evidence,
  book: FindingBook,
  push: Push,
  uid: string,
  connections: readonly Connection[],
): void {
  const since = connections.filter(({ closedAt }) => closedAt > push.firstCalledAt)
  const reason = whyUnreached(evidence, push, since)
  if (reason === undefined) violate(evidence, book, push, since, `${uid} never got it`)
  else book.exempted(reason)
}

function whyUnreached(evidence: Evidence, push: Push, since: readonly Connection[]): string | undefined {
  const { until } = evidence.history
  if (wasLostWithStore(evidence, push, since)) return "lost with the store's data"
  if (since.some((each) => mayHaveLeftBytesUnread(each, push)))
    return 'its client vanished before it received the push, or was not reading'
  const isBack = since.some(({ openedAt, closedAt }) => {
    const heldFrom = Math.max(openedAt, push.settledAt)
    return openedAt < push.settledAt + KEPT_FOR - CALM && Math.min(closedAt, until) - heldFrom > CALM
  })
  if (!isBack) return 'its user did not come back in time'
  return wasParkFull(evidence, push, since) ? 'more than 100 messages had to wait for its user' : undefined
}

/** Every connection that was open before the push, and stays open, receives a copy. */
function checkDevices(evidence: Evidence, book: FindingBook, push: Push, connections: readonly Connection[]): void {
  for (const connection of connections) {
    if (!isOwed(evidence, connection, push) || evidence.has(connection, push)) continue
    judgeCopy(evidence, book, push, connection)
  }
}

function checkCrowd(evidence: Evidence, book: FindingBook, push: Push): void {
  for (const connection of evidence.history.connections) {
    if (push.except.includes(connection.uid) || connection.openedAt >= push.firstCalledAt) continue
    const end = Math.min(deadline(evidence, push, connection), evidence.endOf(connection))
    if (end < push.firstCalledAt || !wasRecipient(connection, push, end)) continue
    const isStranded = diedUnderWay(evidence, connection, push)
    if (!isStranded && !isOwed(evidence, connection, push)) continue
    book.checkedCount++
    if (evidence.has(connection, push)) continue
    if (mayHaveLeftBefore(evidence, connection, push)) {
      book.exempted('its node had ended and unbound it before the push was stored')
    } else if (isStranded && !wasEvicted(evidence, push, connection)) checkStranded(evidence, book, push, connection)
    else judgeCopy(evidence, book, push, connection)
  }
}

/**
 * A node that ends in good order unbinds all its connections. A lookup, or a broadcast, that comes after that no longer
 * concerns them.
 */
function mayHaveLeftBefore(evidence: Evidence, connection: Connection, push: Push): boolean {
  const endedAt = evidence.deathOf(connection)
  return push.kind !== 'uid' && evidence.endedGracefully(connection) && endedAt! < push.settledAt
}

/** Whether the node died while the push was on its way to it. */
function diedUnderWay(evidence: Evidence, connection: Connection, push: Push): boolean {
  const diedAt = evidence.deathOf(connection)
  return diedAt !== undefined && evidence.endOf(connection) === diedAt && diedAt < deadline(evidence, push, connection)
}

/**
 * Members of a group on a node that died or was evicted get the push as users, wherever they are connected or
 * reconnect.
 */
function checkStranded(evidence: Evidence, book: FindingBook, push: Push, connection: Connection): void {
  const ofUser = evidence.byUid.get(connection.uid) ?? []
  if (ofUser.some((each) => evidence.has(each, push))) return
  const since = ofUser.filter((each) => each.closedAt > push.firstCalledAt)
  const mayMissIt =
    push.kind === 'all' &&
    !forwardedBroadcasts(evidence, connection) &&
    !wasElsewhereInTime(evidence, connection, since)
  if (mayMissIt) {
    book.exempted('a broadcast of a node that died; its user came back after it had been sent again')
    return
  }
  const reason = whyUnreached(evidence, push, since)
  if (reason === undefined)
    violate(
      evidence,
      book,
      push,
      since,
      `${connection.uid}, who was ${push.group === undefined ? 'there' : `in ${push.group}`}, never got it`,
    )
  else book.exempted(reason)
}

/**
 * Whether the node ended in good order while nothing else went wrong. In that case it has forwarded every broadcast to
 * its users.
 */
function forwardedBroadcasts(evidence: Evidence, connection: Connection): boolean {
  if (!evidence.endedGracefully(connection)) return false
  const endedAt = evidence.deathOf(connection)!
  return evidence.faultsIn(endedAt, endedAt + END_TAKES).every(({ slots }) => slots.includes(connection.slot))
}

/**
 * The broadcasts of a dead node are sent again when it is taken over. That happens up to a lease and a heartbeat later,
 * or at once if the node ended in good order. Only a user who was connected elsewhere before that is certain to receive
 * them.
 */
function wasElsewhereInTime(evidence: Evidence, gone: Connection, since: readonly Connection[]): boolean {
  const { deadAfter, heartbeat } = evidence.times
  const from = evidence.endOf(gone)
  const to = evidence.calmAfter(from, from + deadAfter + heartbeat)
  const silentSince = Math.min(from, evidence.silentSince(gone) ?? from)
  const backBefore = evidence.endedGracefully(gone) ? from : silentSince + BACK_SOON
  const others = since.filter((each) => each !== gone && evidence.absenceIn(each, from, to) === undefined)
  return others.some((each) => each.openedAt < backBefore && evidence.endOf(each) > to)
}

function judgeCopy(evidence: Evidence, book: FindingBook, push: Push, connection: Connection): void {
  const { uid, number } = connection
  if (wasLostWithStore(evidence, push, [connection])) book.exempted("lost with the store's data")
  // This holds even for an evicted node: when it wakes, it continues to read the broadcast stream at its old position.
  else if (push.kind === 'all')
    violate(evidence, book, push, [connection], `${uid} did not get it on connection ${number}`)
  else if (wasEvicted(evidence, push, connection)) {
    book.exempted('pushed while its node was evicted and it was not bound')
  } else if (!evidence.wasStranded(connection, push)) {
    violate(evidence, book, push, [connection], `${uid} did not get it on connection ${number}`)
  } else if (push.kind === 'uid')
    book.exempted("missed because its node was evicted; its user's other connection got it")
  else checkStranded(evidence, book, push, connection)
}

/**
 * Broadcasts wait for a node that was evicted. Pushes to groups do not, because nobody knows any more which members it
 * has.
 */
function wasEvicted(evidence: Evidence, push: Push, connection: Connection): boolean {
  return push.kind !== 'all' && evidence.absenceIn(connection, push.firstCalledAt, push.settledAt) !== undefined
}

/** Whether the user already had as many parked messages as are kept. Nodes count the others as undelivered. */
function wasParkFull(evidence: Evidence, push: Push, [first]: readonly Connection[]): boolean {
  return first !== undefined && evidence.waitingFor(first.uid, push.settledAt) >= MAX_WAITING
}

function wasLostWithStore(evidence: Evidence, push: Push, connections: readonly Connection[]): boolean {
  return evidence.wasDestroyed(push, (at, by) => {
    return connections.some(({ openedAt, closedAt, slot }) => {
      const isOpen = openedAt <= at && closedAt > at
      const isWorking = !evidence.faultsIn(at, at).some(({ slots }) => slots.includes(slot))
      return isOpen && isWorking && evidence.readBy(slot, at) < by
    })
  })
}

/** Whether the connection was open before the push was called and until the push must have arrived. */
function isOwed(evidence: Evidence, connection: Connection, push: Push): boolean {
  const { openedAt, ending, isSlow } = connection
  if (isSlow && ending !== 'open') return false
  return openedAt < push.firstCalledAt && evidence.endOf(connection) > deadline(evidence, push, connection)
}

/**
 * When the push must have arrived: a moment later if nothing fails, after all faults otherwise, and never before the
 * node has read that far in its inbox.
 */
function deadline(evidence: Evidence, push: Push, { slot }: Connection): number {
  const calm = evidence.calmAfter(
    push.firstCalledAt,
    push.settledAt + CALM + Math.min(evidence.times.slack, MOST_SLACK),
  )
  return Math.min(Math.max(calm, evidence.readBy(slot, push.settledAt)), evidence.history.until - 1)
}

/** Whether the push is for this connection. A member who leaves the group before a message arrives does not get it. */
function wasRecipient({ memberships }: Connection, push: Push, until: number): boolean {
  if (push.kind === 'all') return true
  return memberships.some(
    ({ group, joinedAt, leavingAt }) => group === push.group && joinedAt < push.firstCalledAt && leavingAt > until,
  )
}

/** Whether the kernel may have accepted bytes that the client never read, because it vanished or was not reading. */
function mayHaveLeftBytesUnread({ ending, closedAt, openedAt, isSlow }: Connection, push: Push): boolean {
  if (closedAt < push.firstCalledAt || openedAt > push.settledAt + KEPT_FOR) return false
  return ending === 'vanished' || (isSlow && ending !== 'open')
}

function violate(
  evidence: Evidence,
  book: FindingBook,
  push: Push,
  connections: readonly Connection[],
  what: string,
): void {
  // The check `behind` reports every push that is still in an inbox.
  if (evidence.isStanding(push)) {
    book.exempted('late: it was still in an inbox')
    return
  }
  book.violate({
    at: push.firstCalledAt,
    what,
    push: push.number,
    connections: connections.map(({ number }) => number),
    uids: [...new Set(connections.map(({ uid }) => uid))],
  })
}
