// The kinds of ids. Inside, each kind has a branded type, so that a uid cannot be passed for a group. Callers give and
// get plain strings.
declare const brand: unique symbol
type Branded<Name> = string & { readonly [brand]: Name }

export type Uid = Branded<'uid'>
export type Group = Branded<'group'>
export type ConnectionId = Branded<'connection'>
/**
 * One incarnation of a node: `name-process` when it starts, `name-process.2` after it was evicted and joined again, and
 * so on. If the store spreads inboxes over several servers, the number also gives the seat of the node's inbox, and
 * some numbers are skipped.
 */
export type NodeId = Branded<'node'>
/** The process that a node runs in. It is random, so that no two starts share it. */
export type ProcessId = Branded<'process'>
export type PushId = Branded<'push'>

/**
 * There are three kinds of push ids, and none can equal one of another kind, so a caller cannot use an id that is not
 * its own: ids that callers choose (`c:…`), ids of entries of the ingress stream (`i:…`), and ids that publishers count
 * up, which hold no colon.
 */
export function callersPushId(id: string): PushId {
  // Invariant I3: no caller can take an id that is not a caller's.
  return `${CALLERS}${id}` as PushId
}

export function entryPushId(position: string): PushId {
  return `i:${position}` as PushId
}

export function countedPushId(publisher: string, count: number): PushId {
  return `${publisher}-${count.toString(36)}` as PushId
}

/** The id as the caller knows it. */
export function shownPushId(id: PushId): string {
  return id.startsWith(CALLERS) ? id.slice(CALLERS.length) : id
}

const CALLERS = 'c:'

/** State has this many partitions, chosen by uid, group or connection. Each is one hash slot of the store. */
export const PARTITION_COUNT = 256

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'

/** About 50 random bits as ten letters and digits, so that nodes started with the same name never share an id. */
export function newProcessId(): ProcessId {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('') as ProcessId
}

export function nodeId(name: string, process: ProcessId, incarnation: number): NodeId {
  const first = `${name}-${process}`
  return (incarnation === 1 ? first : `${first}.${incarnation}`) as NodeId
}

/** Inboxes are spread over this many seats. Each is one hash slot of the store. */
export const SEAT_COUNT = 256

/** The seat of a node's inbox. It follows from the node's id alone: from its number, or else from a hash of the id. */
export function seatOf(node: NodeId): number {
  const dot = node.lastIndexOf('.')
  const number = dot > node.lastIndexOf('-') ? Number(node.slice(dot + 1)) : Number.NaN
  return Number.isSafeInteger(number) ? number % SEAT_COUNT : partitionOf(node)
}

/**
 * The number of a node's next incarnation: the next number, or the next one that belongs to `seat` if that is given.
 * With a seat it is never 1, because an id leaves out the number 1.
 */
export function incarnationAfter(before: number, seat: number | undefined): number {
  const next = before + 1
  if (seat === undefined) return next
  const number = next + ((((seat - next) % SEAT_COUNT) + SEAT_COUNT) % SEAT_COUNT)
  return number === 1 ? 1 + SEAT_COUNT : number
}

/** The process of a node, which stays the same if the node has to take a new id. */
export function processOfNode(node: NodeId): ProcessId {
  const process = node.slice(node.lastIndexOf('-') + 1)
  const dot = process.indexOf('.')
  return (dot === -1 ? process : process.slice(0, dot)) as ProcessId
}

/**
 * A connection's id names the process, not the node's incarnation, so that the id stays valid after an eviction. It
 * also names the partition that lists the connection, so that a lookup does not need the uid.
 */
export function connectionId(process: ProcessId, partition: number, sequence: number): ConnectionId {
  return `${process}-${partition.toString(16).padStart(2, '0')}${sequence.toString(36)}` as ConnectionId
}

export function processOfConnection(connection: ConnectionId): ProcessId | undefined {
  const dash = connection.indexOf('-')
  return dash === -1 ? undefined : (connection.slice(0, dash) as ProcessId)
}

export function partitionOfConnection(connection: ConnectionId): number | undefined {
  const hex = connection.slice(connection.indexOf('-') + 1).slice(0, 2)
  return /^[0-9a-f]{2}$/.test(hex) ? Number.parseInt(hex, 16) : undefined
}

/** FNV-1a over UTF-16 code units: fast, evenly spread, and the same on every node. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

export function partitionOf(key: string): number {
  const hash = hashOf(key)
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (PARTITION_COUNT - 1)
}
