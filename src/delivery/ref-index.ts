import type { ClientConnection } from '../connection/client-connection.ts'
import type { GroupRef, UserRef } from '../envelope/envelope.ts'
import { acrossPartitions } from '../envelope/stamps.ts'
import type { Hub } from './hub.ts'

/** How to find the connections of a user or group, and since when they are bound to it. */
export interface RefIndex<Ref extends GroupRef | UserRef> {
  readonly find: (ref: Ref) => ReadonlySet<ClientConnection>
  /** Since when the connection is bound to the ref; `undefined` if it is not. */
  readonly stampOf: (connection: ClientConnection, ref: Ref) => number | undefined
  /** Whether a re-sent copy that is for the connection's user would reach the connection as well. */
  readonly isFresh: (connection: ClientConnection, ref: Ref) => boolean
  /** Whether several refs may find the same connection. */
  readonly overlaps: boolean
}

export const byUser = (hub: Hub): RefIndex<UserRef> => ({
  find: ({ uid }) => hub.ofUser(uid),
  stampOf: (connection, { uid }) => (connection.uid === uid ? connection.uidStamp : undefined),
  isFresh: () => false,
  overlaps: false,
})

export const byGroup = (hub: Hub): RefIndex<GroupRef> => ({
  find: ({ group }) => hub.ofGroup(group),
  stampOf: (connection, { group }) => connection.groupStamps.get(group),
  isFresh: ({ uid, uidStamp }, { stamp }) => uid !== undefined && uidStamp > acrossPartitions(stamp),
  overlaps: true,
})

// Bits, because a connection may be in several of the target's groups.
export const OLDER = 1
export const YOUNGER = 2
export const FRESH = 4

/** Whether a connection was bound to a ref before the ref's lookup, or after. */
export function ageOf<Ref extends GroupRef | UserRef>(
  connection: ClientConnection,
  ref: Ref,
  index: RefIndex<Ref>,
): number {
  const stamp = index.stampOf(connection, ref)
  if (stamp === undefined) return 0
  if (stamp > ref.stamp) return YOUNGER
  return index.isFresh(connection, ref) ? OLDER | FRESH : OLDER
}

/** The same for all refs together. To check each connection against each ref would take a second for 10,000 of both. */
export function agesOf<Ref extends GroupRef | UserRef>(
  refs: readonly Ref[],
  index: RefIndex<Ref>,
): Map<ClientConnection, number> {
  const ages = new Map<ClientConnection, number>()
  for (const ref of refs) {
    for (const connection of index.find(ref)) {
      ages.set(connection, (ages.get(connection) ?? 0) | ageOf(connection, ref, index))
    }
  }
  return ages
}
