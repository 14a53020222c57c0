import assert from 'node:assert/strict'
import type { Renewal } from '../../../src/drivers/nodes.ts'
import type { Change, ConnectionRecord, Route } from '../../../src/drivers/routes.ts'
import type { State } from '../../../src/drivers/state.ts'
import type { Group, NodeId, Uid } from '../../../src/envelope/ids.ts'
import { asGroup, asUid, newConnection } from '../stage.ts'

/** For tests in which no lease may run out. */
export const calm = { heartbeat: 3_000, deadAfter: 600_000 }

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

export async function liveNodes(state: State): Promise<NodeId[]> {
  return (await state.nodes()).live.map(({ node }) => node).toSorted()
}

export async function routesOf(state: State, uid: string, group: string): Promise<{ user: Route; group: Route }> {
  const located = await state.locate({ uids: [asUid(uid)], groups: [asGroup(group)], connections: [] })
  return { user: located.uids[0]!, group: located.groups[0]! }
}

export async function whereIs(state: State, uid: string | Uid): Promise<NodeId[]> {
  return [...(await routesOf(state, uid, 'none')).user.nodes].toSorted()
}

export async function whereIsGroup(state: State, group: string | Group): Promise<NodeId[]> {
  return [...(await routesOf(state, 'nobody', group)).group.nodes].toSorted()
}

export async function appliedTo(
  state: State,
  node: NodeId,
  changes: Change[],
): Promise<{ stamps: readonly number[]; parked: readonly Uid[] }> {
  const applied = await state.apply(node, changes)
  if (applied.type === 'fenced') assert.fail('the node was fenced')
  return applied
}

export function asRenewed(renewal: Renewal): Extract<Renewal, { type: 'renewed' }> {
  if (renewal.type === 'evicted') assert.fail('the node was evicted')
  return renewal
}
