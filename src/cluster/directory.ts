import type { ConnectionInfo, Directory as DirectoryApi, MemberPage, NodeInfo } from '../api.ts'
import type { LiveNode } from '../drivers/nodes.ts'
import { parseGroup, parseUid } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import { checkNames } from '../lib/checked-names.ts'
import type { StateQueries } from './node-observer.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

/** Answers which users, members and nodes there are, from State alone. */
export class Directory implements DirectoryApi {
  readonly #state: StateQueries
  /** Adds what this node knows of itself, which is newer than what it last told the store. */
  readonly #refine: (node: LiveNode) => LiveNode

  constructor(state: StateQueries, refine: (node: LiveNode) => LiveNode = (node) => node) {
    this.#state = state
    this.#refine = refine
  }

  async isOnline(uid: string): Promise<boolean> {
    const { uids } = await this.#state.locate({ uids: [parseUid(uid)], groups: [], connections: [] })
    return uids.some(({ nodes }) => nodes.length > 0)
  }

  async connections(uid: string): Promise<ConnectionInfo[]> {
    return this.#state.connections(parseUid(uid))
  }

  async members(group: string, page: MemberPage = {}): ReturnType<DirectoryApi['members']> {
    checkNames('members', page, ['limit', 'cursor'])
    const { limit = DEFAULT_LIMIT, cursor } = page
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new FlotillaError('FLT_BAD_REQUEST', `limit must be a whole number from 1 to ${MAX_LIMIT}`)
    }
    return this.#state.members(parseGroup(group), limit, cursor)
  }

  async nodes(): Promise<NodeInfo[]> {
    const { live } = await this.#state.nodes()
    return live.map((node) => infoOf(this.#refine(node)))
  }

  async counts(): Promise<{ nodeCount: number; connectionCount: number }> {
    const nodes = await this.nodes()
    return { nodeCount: nodes.length, connectionCount: nodes.reduce((sum, node) => sum + node.connectionCount, 0) }
  }
}

function infoOf({ node, name, url, startedAt, lastSeen, connectionCount }: LiveNode): NodeInfo {
  const info = { node, name, startedAt, lastSeen, connectionCount }
  return url === undefined ? info : { ...info, url }
}
