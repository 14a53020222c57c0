import type { Connection, Message } from '../api.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { ConnectionId } from '../envelope/ids.ts'
import { encodePayload } from '../envelope/payload.ts'
import { FlotillaError } from '../errors.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import type { Hub } from './hub.ts'

type CloseConnection = (connection: ClientConnection, code?: number, reason?: string) => void

/** The connections of this node alone. Ids of connections on other nodes are unknown here. */
export class Local implements Iterable<Connection> {
  readonly #hub: Hub
  readonly #close: CloseConnection

  /** @internal */
  constructor(hub: Hub, close: CloseConnection) {
    this.#hub = hub
    this.#close = close
  }

  get size(): number {
    return this.#hub.size
  }

  get(id: string): Connection | undefined {
    return this.#find(id)
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#hub[Symbol.iterator]()
  }

  /** Calls `visit` with each connection on this node. */
  each(visit: (connection: Connection) => void): void {
    for (const connection of this) visit(connection)
  }

  /** Whether the connection is on this node and takes messages. */
  isEstablished(id: string): boolean {
    return this.get(id)?.isOpen ?? false
  }

  /** Sends to one connection. False if it is not on this node, or is closing. */
  sendTo(id: string, message: Message): boolean {
    checkId(id, 'id')
    return this.get(id)?.send(message) ?? false
  }

  /** The same as `sendTo`. */
  push(id: string, message: Message): boolean {
    return this.sendTo(id, message)
  }

  /** Sends to the listed connections, except the excluded ones. Returns how many took the message. */
  sendToSome(message: Message, ids: readonly string[], excluded: readonly string[] = []): number {
    checkIds(ids, 'ids')
    checkIds(excluded, 'excluded')
    const outbound = new OutboundMessage(encodePayload(message))
    const skipped = new Set(excluded)
    return [...new Set(ids)].filter((id) => !skipped.has(id) && this.#find(id)?.write(outbound) === true).length
  }

  /** Sends to every connection on this node. Returns how many took the message. */
  sendToAll(message: Message): number {
    return this.#hub.writeToAll(new OutboundMessage(encodePayload(message)), () => false)
  }

  /** Sends to every connection on this node except the sender. Returns how many took the message. */
  broadcast(message: Message, sender: string): number {
    checkId(sender, 'sender')
    return this.#hub.writeToAll(new OutboundMessage(encodePayload(message)), ({ id }) => id === sender)
  }

  /** Sends to every connection on this node, or only to the listed ones; never to the excluded ones or the sender. */
  send(message: Message, ...to: [] | [ids: readonly string[], excluded?: readonly string[], sender?: string]): number {
    if (to.length === 0) return this.sendToAll(message)
    const [ids, excluded = [], sender] = to
    return this.sendToSome(message, ids, sender === undefined ? excluded : [...excluded, sender])
  }

  /** Closes one connection, with 4403 if no code is given. False if it is not on this node. */
  disconnect(id: string, code?: number, reason?: string): boolean {
    checkId(id, 'id')
    const connection = this.#find(id)
    if (connection === undefined) return false
    this.#close(connection, code, reason)
    return true
  }

  #find(id: string): ClientConnection | undefined {
    return this.#hub.get(id as ConnectionId)
  }
}

function checkIds(ids: unknown, field: string): void {
  if (!Array.isArray(ids)) throw badTarget(field, 'a list of connection ids')
  for (const id of ids) checkId(id, field)
}

function checkId(id: unknown, field: string): void {
  if (typeof id !== 'string') throw badTarget(field, 'a connection id')
}

function badTarget(field: string, wanted: string): FlotillaError {
  return new FlotillaError('FLT_BAD_TARGET', `${field}: give ${wanted}; to reach everyone here, call sendToAll`)
}
