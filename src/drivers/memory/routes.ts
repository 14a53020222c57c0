import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConnectionInfo } from '../../api.ts'
import type { Group, NodeId, Uid } from '../../envelope/ids.ts'
import type { Applied, Change, Located, Lookup, Routes } from '../routes.ts'
import type { MemoryHandle } from './handle.ts'

export class MemoryRoutes implements Routes {
  readonly #handle: MemoryHandle

  constructor(handle: MemoryHandle) {
    this.#handle = handle
  }

  /** The lease is also the marker: a node without one writes nothing. */
  async apply(node: NodeId, changes: readonly Change[]): Promise<Applied> {
    this.#handle.assertOpen()
    const { store } = this.#handle
    // Invariant N5: an evicted node writes nothing, however late it arrives.
    if (!store.nodes.has(node)) return { type: 'fenced' }
    const stamps = changes.map((change) => store.routes.apply(node, change))
    const here = changes.flatMap((change) =>
      change.type === 'user' && change.connections.length > 0 ? change.uid : [],
    )
    return { type: 'applied', stamps, parked: here.filter((uid) => store.hasParkedFor(uid)) }
  }

  /**
   * Waits for the next turn of the event loop: a caller that awaits one push after another must not keep others from
   * theirs.
   */
  async locate(lookup: Lookup): Promise<Located> {
    await nextTurn()
    this.#handle.assertOpen()
    return this.#handle.store.routes.locate(lookup)
  }

  /** There is nothing to repair: a user's route is derived from its connections. */
  async unroute(): Promise<void> {
    this.#handle.assertOpen()
  }

  async groupsOn(node: NodeId): Promise<ReadonlyMap<Group, readonly Uid[]>> {
    this.#handle.assertOpen()
    return this.#handle.store.routes.groupsOn(node)
  }

  async connections(uid: Uid): Promise<ConnectionInfo[]> {
    this.#handle.assertOpen()
    return this.#handle.store.routes.connectionsOf(uid)
  }

  async members(
    group: Group,
    limit: number,
    cursor?: string,
    ignored?: ReadonlySet<NodeId>,
  ): Promise<{ members: ConnectionInfo[]; memberCount: number; cursor?: string }> {
    this.#handle.assertOpen()
    return this.#handle.store.routes.membersOf(group, limit, cursor, ignored)
  }
}
