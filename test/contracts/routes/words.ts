import assert from 'node:assert/strict'
import type { Change, ConnectionRecord, Route, Routes } from '../../../src/drivers/routes.ts'
import type { Group, NodeId, Uid } from '../../../src/envelope/ids.ts'
import { asGroup, asUid, newConnection } from '../stage.ts'

export function userHere(uid: string, connections = [newConnection(uid)]): Change {
  return { type: 'user', uid: asUid(uid), connections }
}

export function userGone(uid: string): Change {
  return { type: 'user', uid: asUid(uid), connections: [] }
}

export function memberHere(group: string, connection: ConnectionRecord): Change {
  return { type: 'member', group: asGroup(group), connection, present: true }
}

export function memberGone(group: string, connection: ConnectionRecord): Change {
  return { type: 'member', group: asGroup(group), connection, present: false }
}

export async function routesOf(state: Routes, uid: string, group: string): Promise<{ user: Route; group: Route }> {
  const located = await state.locate({ uids: [asUid(uid)], groups: [asGroup(group)], connections: [] })
  return { user: located.uids[0]!, group: located.groups[0]! }
}

export async function whereIs(state: Routes, uid: string | Uid): Promise<NodeId[]> {
  return [...(await routesOf(state, uid, 'none')).user.nodes].toSorted()
}

export async function whereIsGroup(state: Routes, group: string | Group): Promise<NodeId[]> {
  return [...(await routesOf(state, 'nobody', group)).group.nodes].toSorted()
}

export async function appliedTo(
  state: Routes,
  node: NodeId,
  changes: Change[],
): Promise<{ stamps: readonly number[]; parked: readonly Uid[] }> {
  const applied = await state.apply(node, changes)
  if (applied.type === 'fenced') assert.fail('the node was fenced')
  return applied
}
