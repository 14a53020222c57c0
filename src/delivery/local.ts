import type { Connection, Message } from '../api.ts'
import type { ClientConnection } from '../connection/client-connection.ts'
import type { ConnectionId } from '../envelope/ids.ts'
import { encodePayload } from '../envelope/payload.ts'
import { FlotillaError } from '../errors.ts'
import { OutboundMessage } from '../outbound/outbound-message.ts'
import type { Hub } from './hub.ts'

type CloseConnection = (connection: ClientConnection, code?: number, reason?: string) => void

/** Pushes to the connections of this node alone, by connection id. Whoever is elsewhere is not here. */
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

  each(visit: (connection: Connection) => void): void {
    for (const connection of this) visit(connection)
  }

  /** Whether it is here and takes messages. */
  isEstablished(id: string): boolean {
    return this.get(id)?.isOpen ?? false
  }

  /** False where it is not here, or closing. */
  sendTo(id: string, message: Message): boolean {
    checkId(id, 'id')
    return this.get(id)?.send(message) ?? false
  }

  /** The same as `sendTo`. */
  push(id: string, message: Message): boolean {
    return this.sendTo(id, message)
  }

  /** Sends to those listed, but not to the excluded; says how many took it. */
  sendToSome(message: Message, ids: readonly string[], excluded: readonly string[] = []): number {
    checkIds(ids, 'ids')
    checkIds(excluded, 'excluded')
    const outbound = new OutboundMessage(encodePayload(message))
    const skipped = new Set(excluded)
    return [...new Set(ids)].filter((id) => !skipped.has(id) && this.#find(id)?.write(outbound) === true).length
  }

  sendToAll(message: Message): number {
    return this.#hub.writeToAll(new OutboundMessage(encodePayload(message)), () => false)
  }

  /** Sends to everyone here but the sender. */
  broadcast(message: Message, sender: string): number {
    checkId(sender, 'sender')
    return this.#hub.writeToAll(new OutboundMessage(encodePayload(message)), ({ id }) => id === sender)
  }

  /** `send(message)` reaches everyone here, with a list those in it; never the excluded, nor the sender. */
  send(message: Message, ...to: [] | [ids: readonly string[], excluded?: readonly string[], sender?: string]): number {
    if (to.length === 0) return this.sendToAll(message)
    const [ids, excluded = [], sender] = to
    return this.sendToSome(message, ids, sender === undefined ? excluded : [...excluded, sender])
  }

  /** False where it is not here. 4403 where no code is given. */
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
