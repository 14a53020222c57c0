import type {
  Cluster as ClusterApi,
  ClusterEvents,
  Connection,
  Many,
  MemberPage,
  Message,
  Pusher as PusherApi,
  PushOptions,
  Target,
} from '../api.ts'
import type { ControlAction } from '../envelope/envelope.ts'
import type { NodeId } from '../envelope/ids.ts'
import { parseGroups, parseTarget, parseUid } from '../envelope/target.ts'
import { FlotillaError } from '../errors.ts'
import type { Events } from '../events.ts'
import { ownText } from '../lib/own-text.ts'
import { checkClose, CloseCode } from '../wire/close-codes.ts'
import type { Controls } from './controls.ts'
import type { Directory } from './directory.ts'
import type { Membership } from './membership.ts'
import type { Registrar } from './registrar.ts'
import type { Takeover } from './takeover.ts'

interface Parts {
  readonly membership: Membership
  readonly pusher: PusherApi
  readonly directory: Directory
  readonly controls: Controls
  readonly registrar: Registrar
  readonly takeover: Takeover
  readonly events: Events
  readonly generateUid: () => string
}

/** The public `cluster`: checks arguments and passes each call to the object that does the work. */
export class Cluster implements ClusterApi {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get self(): NodeId {
    return this.#parts.membership.node
  }

  // ---- pushing

  push(target: Target, message: Message, options?: PushOptions): ReturnType<PusherApi['push']> {
    return this.#parts.pusher.push(target, message, options)
  }

  transport(message: Message, ...uid: [] | [uid: Many]): ReturnType<PusherApi['transport']> {
    return this.#parts.pusher.transport(message, ...uid)
  }

  transportToUid(message: Message, ...uids: string[]): ReturnType<PusherApi['transportToUid']> {
    return this.#parts.pusher.transportToUid(message, ...uids)
  }

  transportToGroup(message: Message, ...groups: string[]): ReturnType<PusherApi['transportToGroup']> {
    return this.#parts.pusher.transportToGroup(message, ...groups)
  }

  transportToAll(message: Message): ReturnType<PusherApi['transportToAll']> {
    return this.#parts.pusher.transportToAll(message)
  }

  // ---- asking

  isOnline(uid: string): ReturnType<Directory['isOnline']> {
    return this.#parts.directory.isOnline(uid)
  }

  connections(uid: string): ReturnType<Directory['connections']> {
    return this.#parts.directory.connections(uid)
  }

  members(group: string, page?: MemberPage): ReturnType<Directory['members']> {
    return this.#parts.directory.members(group, page)
  }

  nodes(): ReturnType<Directory['nodes']> {
    return this.#parts.directory.nodes()
  }

  counts(): ReturnType<Directory['counts']> {
    return this.#parts.directory.counts()
  }

  // ---- changing

  async register(connection: Connection, uid: string = this.#parts.generateUid()): Promise<string> {
    const parsed = ownText(parseUid(uid))
    await this.#parts.registrar.register(connection, parsed)
    return parsed
  }

  logout(connection: Connection): Promise<void> {
    return this.#parts.registrar.logout(connection)
  }

  async join(target: Target, ...groups: string[]): Promise<number> {
    return groups.length === 0 ? 0 : this.#request(target, { type: 'join', groups: parseGroups(groups).map(ownText) })
  }

  async leave(target: Target, ...groups: string[]): Promise<number> {
    return groups.length === 0 ? 0 : this.#request(target, { type: 'leave', groups: parseGroups(groups) })
  }

  async disconnect(target: Target, code: number = CloseCode.kicked, reason = ''): Promise<number> {
    checkClose(code, reason)
    return this.#request(target, { type: 'close', code, reason })
  }

  async evict(node: string): Promise<void> {
    const nodes = await this.nodes()
    if (nodes.every((other) => other.node !== node)) {
      throw new FlotillaError('FLT_NOT_FOUND', `no node ${node} is in the cluster: nodes() lists those that are`)
    }
    await this.#parts.takeover.takeOver(node as NodeId, 'evicted', this.#parts.membership.node)
  }

  on<E extends keyof ClusterEvents>(event: E, listener: (event: ClusterEvents[E]) => void): () => void {
    return this.#parts.events.on(event, listener)
  }

  #request(target: Target, action: ControlAction): Promise<number> {
    return this.#parts.controls.request(parseTarget(target), action)
  }
}
