import type {
  ConnectionInfo,
  Directory as DirectoryApi,
  Many,
  MemberPage,
  Message,
  NodeInfo,
  Pusher as PusherApi,
  PushOptions,
  Receipt,
  Target,
} from './api.ts'
import { Directory } from './cluster/directory.ts'
import { NodeObserver } from './cluster/node-observer.ts'
import type { Driver } from './drivers/driver.ts'
import type { Queue } from './drivers/queue.ts'
import type { State } from './drivers/state.ts'
import { newProcessId, type ConnectionId, type NodeId } from './envelope/ids.ts'
import { FlotillaError } from './errors.ts'
import { checkNames } from './lib/checked-names.ts'
import type { ServerOptions } from './options.ts'
import { Dispatcher } from './push/dispatcher.ts'
import { Locator, type NodeBook } from './push/locator.ts'
import { Parker } from './push/parker.ts'
import { Pusher } from './push/pusher.ts'
import { Roster } from './push/roster.ts'
import { parseOptions } from './settings.ts'

/** The options of `createServer` that an emitter takes, too. */
const SHARED = [
  'prefix',
  'heartbeat',
  'deadAfter',
  'storeWait',
  'maxInboxBytes',
  'maxLag',
  'maxWaitingBytes',
  'maxPayload',
  'codec',
  'logger',
  'onError',
] as const satisfies readonly (keyof ServerOptions)[]

/** The options of an emitter. They have the same names and defaults as those of `createServer`. */
export interface EmitterOptions extends Pick<ServerOptions, (typeof SHARED)[number]> {
  /** The driver that the servers use. */
  driver: Driver
}

/**
 * Pushes messages, and answers who is connected, without running a server: from a queue worker, a script or a web
 * request. It connects to the store on first use.
 */
export class Emitter implements PusherApi, DirectoryApi, AsyncDisposable {
  readonly #state: State
  readonly #queue: Queue
  readonly #pusher: Pusher
  readonly #observer: NodeObserver
  readonly #directory: Directory

  constructor(options: EmitterOptions) {
    checkNames('Emitter', options, ['driver', ...SHARED])
    // There is no default driver, because an emitter with a memory of its own would reach nobody.
    if (options.driver === undefined)
      throw new FlotillaError('FLT_BAD_OPTION', 'Emitter needs a driver: give it the driver that the servers use')
    const settings = parseOptions({ ...options, modules: [] })
    const { codec, storeWait, onError } = settings
    const state = (this.#state = options.driver.state(settings))
    const queue = (this.#queue = options.driver.queue(settings))
    const publisher = newProcessId()
    const locator = new Locator(state, new RemoteNodes(state), storeWait)
    const dispatcher = new Dispatcher({
      queue,
      codec,
      publisher,
      locator,
      ...(state.appendWhereFound && { appendWhereFound: state.appendWhereFound }),
      parker: new Parker(state, codec),
      storeWait,
      onUndelivered: () => {},
    })
    const onFailure = (error: unknown): void => onError({ phase: 'push', error })
    this.#pusher = new Pusher(dispatcher, queue, publisher, { ...settings, onFailure })
    this.#observer = new NodeObserver(state, settings)
    this.#directory = new Directory(this.#observer)
  }

  push(target: Target, message: Message, options?: PushOptions): Promise<Receipt> {
    return this.#pusher.push(target, message, options)
  }

  transport(message: Message, ...uid: [] | [uid: Many]): Promise<Receipt> {
    return this.#pusher.transport(message, ...uid)
  }

  transportToUid(message: Message, ...uids: string[]): Promise<Receipt> {
    return this.#pusher.transportToUid(message, ...uids)
  }

  transportToGroup(message: Message, ...groups: string[]): Promise<Receipt> {
    return this.#pusher.transportToGroup(message, ...groups)
  }

  transportToAll(message: Message): Promise<Receipt> {
    return this.#pusher.transportToAll(message)
  }

  isOnline(uid: string): Promise<boolean> {
    return this.#directory.isOnline(uid)
  }

  connections(uid: string): Promise<ConnectionInfo[]> {
    return this.#directory.connections(uid)
  }

  members(group: string, page?: MemberPage): ReturnType<DirectoryApi['members']> {
    return this.#directory.members(group, page)
  }

  nodes(): Promise<NodeInfo[]> {
    return this.#directory.nodes()
  }

  counts(): ReturnType<DirectoryApi['counts']> {
    return this.#directory.counts()
  }

  /** Resolves once the pushes on their way have settled. It may be called twice. */
  async close(): Promise<void> {
    this.#observer.close()
    await this.#pusher.close()
    await Promise.all([this.#state.close(), this.#queue.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * The nodes of the cluster. An emitter asks State for them only when it needs the node of a connection and has none.
 */
class RemoteNodes implements NodeBook {
  readonly #state: State
  #roster = new Roster()

  constructor(state: State) {
    this.#state = state
  }

  nodeOf(connection: ConnectionId): NodeId | undefined {
    return this.#roster.nodeOf(connection)
  }

  isLive(node: NodeId): boolean {
    return this.#roster.isLive(node)
  }

  standIn(node: NodeId): NodeId | undefined {
    return this.#roster.isGone(node) ? undefined : node
  }

  async refresh(): Promise<void> {
    this.#roster = new Roster(await this.#state.nodes(this.#roster.list))
  }
}
