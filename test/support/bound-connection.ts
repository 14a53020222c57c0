import { ClientConnection } from '../../src/connection/client-connection.ts'
import type { Hub } from '../../src/delivery/hub.ts'
import { connectionId, newProcessId, type Uid } from '../../src/envelope/ids.ts'
import { newCounters, type OverflowRules } from '../../src/outbound/backlog.ts'
import { Flusher } from '../../src/outbound/flusher.ts'

const process = newProcessId()
const flusher = new Flusher()
const rules: OverflowRules = { maxBuffered: 2 ** 20, overflow: 'close', counters: newCounters() }
let sequence = 0

/** A connection without a transport: what is written to it stays in its outbox. */
export function newConnection(): ClientConnection {
  const meta = { ip: '127.0.0.1', port: 1, path: '/', pattern: '/', openedAt: 0 }
  const init = { params: {}, session: {}, meta, request: { url: '/', rawHeaders: [] } }
  return new ClientConnection(connectionId(process, 0, ++sequence), init, flusher, rules)
}

/** The same, put into a hub and bound to a user by a write that the store has stamped. */
export function bound(hub: Hub, uid: string, stamp: number): ClientConnection {
  const connection = newConnection()
  hub.add(connection)
  hub.setUid(connection, uid as Uid)
  connection.stampUid(stamp)
  return connection
}
