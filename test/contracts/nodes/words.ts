import assert from 'node:assert/strict'
import type { Nodes, Renewal } from '../../../src/drivers/nodes.ts'
import type { NodeId } from '../../../src/envelope/ids.ts'

export async function liveNodes(state: Nodes): Promise<NodeId[]> {
  return (await state.nodes()).live.map(({ node }) => node).toSorted()
}

export function asRenewed(renewal: Renewal): Extract<Renewal, { type: 'renewed' }> {
  if (renewal.type === 'evicted') assert.fail('the node was evicted')
  return renewal
}
