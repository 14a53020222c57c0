import type { Duplex } from 'node:stream'
import type { ErrorReport } from '../api.ts'
import type { ConnectionId } from '../envelope/ids.ts'
import { FlotillaError } from '../errors.ts'
import { atMost } from '../lib/deadline.ts'
import { ownText } from '../lib/own-text.ts'
import type { TokenBucket } from '../lib/token-bucket.ts'
import type { Services } from '../modules/contexts.ts'
import { newCounters, type OverflowCounters, type OverflowRules } from '../outbound/backlog.ts'
import type { Flusher } from '../outbound/flusher.ts'
import type { EncodedMessage } from '../outbound/outbound-message.ts'
import type { Admission } from './admission.ts'
import { ClientConnection, type ConnectionHooks } from './client-connection.ts'
import { Conversation, type ConversationHooks } from './conversation.ts'
import { LargeMessages } from './large-messages.ts'
import { PingTimer } from './ping-timer.ts'
import { TokenExpiry } from './token-expiry.ts'
import type { WebSocketTransport } from './transports/web-socket.ts'

/** ms that close hooks may still take after their clients were cut off. */
const CUT_OFF_GRACE = 500

export interface ConnectionsSettings extends Pick<OverflowRules, 'maxBuffered' | 'overflow'> {
  readonly maxPayload: number
  readonly maxPending: number
  readonly pingInterval: number
  readonly compression: { readonly threshold: number } | undefined
}

/** Keeps track of which users and groups this node's connections belong to. */
export interface ConnectionRegistrar {
  newConnectionId(uid: string | undefined): ConnectionId
  /** Resolves once a push to the user or to one of the groups reaches the connection. */
  moveIn(connection: ClientConnection, uid: string | undefined, groups: Iterable<string>): Promise<void>
  moveOut(connection: ClientConnection): void
}

export interface ConnectionsHooks {
  readonly services: Services
  readonly onError: (report: ErrorReport) => void
  /** A client has sent a message. */
  readonly received: (connection: ClientConnection, data: string | Uint8Array) => void
  /** The buckets that a connection's messages are counted against; undefined if its messages are not limited. */
  readonly bucketsOf: (connection: ClientConnection) => readonly TokenBucket[] | undefined
  /** A connection has closed, or is about to, before it took these messages. */
  readonly leftBehind: (connection: ClientConnection, messages: readonly EncodedMessage[]) => void
}

/** Takes every connection of this node through its life: admitted, opened, in conversation, closed. */
export class Connections {
  readonly overflowCounters: OverflowCounters = newCounters()
  readonly #settings: ConnectionsSettings
  readonly #flusher: Flusher
  readonly #registrar: ConnectionRegistrar
  readonly #overflow: OverflowRules
  readonly #tokenExpiry = new TokenExpiry()
  readonly #pingTimer: PingTimer
  readonly #conversations = new Map<ClientConnection, Conversation>()
  readonly #connectionHooks: ConnectionHooks
  readonly #conversationHooks: ConversationHooks
  #floodedCount = 0
  #isClosing = false

  constructor(
    settings: ConnectionsSettings,
    flusher: Flusher,
    registrar: ConnectionRegistrar,
    hooks: ConnectionsHooks,
  ) {
    this.#settings = settings
    this.#flusher = flusher
    this.#registrar = registrar
    this.#overflow = { ...settings, counters: this.overflowCounters }
    this.#pingTimer = new PingTimer(this.#conversations, settings.pingInterval)
    this.#connectionHooks = {
      // A closing connection takes no messages, so pushes must no longer find it, however long its client takes to
      // notice.
      closing: (connection) => registrar.moveOut(connection),
      expelled: (connection) => this.#conversations.get(connection)?.abandon(),
      lost: hooks.leftBehind,
    }
    this.#conversationHooks = {
      ...hooks,
      maxPayload: settings.maxPayload,
      maxPending: settings.maxPending,
      largeMessages: new LargeMessages(),
      flooded: () => void this.#floodedCount++,
      left: (connection) => this.#left(connection),
    }
  }

  /** How many connections were closed because their clients sent too much. */
  get floodedCount(): number {
    return this.#floodedCount
  }

  /**
   * Binds a client in the store before its 101 goes out, so every push that is made after the 101 reaches the client.
   */
  async admit({ module, context, request, path, port }: Admission): Promise<ClientConnection> {
    this.#mustBeOpen()
    const { uid, groups, session, params, ip } = context
    const meta = { ip, port, path: ownText(path), pattern: module.path, openedAt: Date.now() }
    const id = this.#registrar.newConnectionId(uid)
    const init = { params, session, meta, request }
    const connection = new ClientConnection(id, init, this.#flusher, this.#overflow, this.#connectionHooks)
    try {
      await this.#registrar.moveIn(connection, uid, groups)
      this.#mustBeOpen()
      return connection
    } catch (error) {
      // Messages that the connection was given meanwhile belong to its user, and must not wait for it.
      connection.closed()
      this.#registrar.moveOut(connection)
      throw error
    }
  }

  /** The 101 has gone out. */
  opened(
    connection: ClientConnection,
    { module, context }: Admission,
    transport: WebSocketTransport,
    raw: Duplex,
  ): void {
    const conversation = new Conversation(connection, module, transport, this.#conversationHooks)
    this.#conversations.set(connection, conversation)
    if (context.expiresAt !== undefined) this.#tokenExpiry.add(connection, context.expiresAt)
    transport.start(raw, this.#settings.compression?.threshold, conversation)
    connection.opened(transport)
    void conversation.open()
  }

  /** The client was bound, but disconnected before its 101. */
  lost(connection: ClientConnection): void {
    connection.closed()
    this.#left(connection)
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  /** From now on no client is admitted. */
  beginClosing(): void {
    this.#isClosing = true
    this.#pingTimer.close()
    this.#tokenExpiry.close()
  }

  /**
   * Closes every connection, or those on the given sockets. Resolves once they have ended; clients are cut off after
   * `timeout` ms, and handlers that never end are not waited for.
   */
  async sayGoodbye(timeout: number, sockets?: ReadonlySet<Duplex>): Promise<void> {
    const all = [...this.#conversations.values()]
    const conversations = sockets === undefined ? all : all.filter((conversation) => conversation.isOn(sockets))
    const ended = Promise.all(conversations.map((conversation) => conversation.ended))
    for (const { connection } of conversations) connection.sayGoodbye()
    const timer = setTimeout(() => {
      for (const conversation of conversations) conversation.terminate()
    }, timeout)
    await atMost(timeout + CUT_OFF_GRACE, ended)
    clearTimeout(timer)
  }

  #mustBeOpen(): void {
    if (this.#isClosing) throw goingAway()
  }

  #left(connection: ClientConnection): void {
    this.#conversations.delete(connection)
    this.#tokenExpiry.remove(connection)
    this.#registrar.moveOut(connection)
  }
}

export function goingAway(): FlotillaError {
  return new FlotillaError('FLT_CLOSED', 'this node is going away: connect to another one')
}
