// How values of State are written into Redis and read back. This format is private to this driver. A value that is not
// ours, because somebody else wrote there, is read as nothing: one such value must not stop a heartbeat, or everyone's
// lookups.
import type { ConnectionInfo, ShutdownReason } from '../../api.ts'
import type { NodeId, Uid } from '../../envelope/ids.ts'
import type { GoneNode, LiveNode, NodeList } from '../nodes.ts'
import type { ConnectionRecord } from '../routes.ts'

/** How long a gone node stays listed after it was cleaned up, in ms, so that every node hears of it. */
export const KEEP_GONE = 60_000

/** A user's connections on one node: `[[connection, since, path, ip], …]`, or an empty text if there are none. */
export function writeRecords(connections: readonly ConnectionRecord[]): string {
  if (connections.length === 0) return ''
  return JSON.stringify(connections.map(({ connection, since, path, ip }) => [connection, since, path, ip]))
}

export function readRecords(value: string | null, node: NodeId, uid: Uid): ConnectionInfo[] {
  // Invariant K9: a value that cannot be read counts as absent.
  const rows = parse(value)
  if (!Array.isArray(rows)) return []
  return rows.flatMap((row) => {
    const [connection, since, path, ip] = listOf(row)
    if (!areMeta(since, path, ip) || typeof connection !== 'string') return []
    return [{ connection, uid, node, since, path, ip } as ConnectionInfo]
  })
}

/** A member of a group: `[since, path, ip, uid?]`. */
export function writeMember({ since, path, ip, uid }: ConnectionRecord): string {
  return JSON.stringify(uid === undefined ? [since, path, ip] : [since, path, ip, uid])
}

export function readMember(connection: string, node: NodeId, value: string): ConnectionInfo | undefined {
  const [since, path, ip, uid] = listOf(parse(value))
  if (!areMeta(since, path, ip)) return undefined
  const member = { connection, node, since, path, ip } as ConnectionInfo
  return typeof uid === 'string' ? { ...member, uid } : member
}

export function uidOfMember(value: string): Uid | undefined {
  const [, , , uid] = listOf(parse(value))
  return typeof uid === 'string' ? (uid as Uid) : undefined
}

/** A partition's epoch and stamp, "epoch stamp". An epoch contains no space. */
export function readEpoch(value: string | null | undefined): { epoch: string | undefined; stamp: number } {
  if (value === null || value === undefined) return { epoch: undefined, stamp: 0 }
  const end = value.indexOf(' ')
  if (end === -1) return { epoch: value, stamp: 0 }
  const stamp = Number(value.slice(end + 1))
  return { epoch: value.slice(0, end), stamp: isStamp(stamp) ? stamp : 0 }
}

const NOWHERE: readonly NodeId[] = Object.freeze([])

/** "nodeA nodeB" */
export function readNodes(value: string | null | undefined): readonly NodeId[] {
  if (value === null || value === undefined) return NOWHERE
  // Most users are on one node.
  if (value.indexOf(' ') === -1) return isNode(value) ? [value] : NOWHERE
  return nodesIn(value.split(' '))
}

/** The words that are ids of nodes. */
export function nodesIn(words: readonly string[]): NodeId[] {
  return words.filter(isNode)
}

function isNode(word: string): word is NodeId {
  return word.indexOf('-') !== -1
}

/** A message that is parked for a user: when it was first parked, and its place among those of that call. */
export interface ParkedRow {
  readonly id: string
  readonly at: number
  readonly order: number
  readonly stamp: number
  /** Together with the id, names this row for as long as the message is not parked again. */
  readonly since: string
}

/** The messages that are parked for a user, oldest first. Each push has the value "µs order stamp since bytes". */
export function parkedRows(hash: Readonly<Record<string, string>>): ParkedRow[] {
  const rows = Object.entries(hash).flatMap(([id, value]) => {
    const [, micros, order, stamp, since] = /^(\d+) (\d+) (\d+) (\d+) \d+$/.exec(value) ?? []
    if (since === undefined) return []
    return { id, since, at: Number(micros), order: Number(order), stamp: Number(stamp) }
  })
  return rows.sort((a, b) => a.at - b.at || a.order - b.order)
}

/** The same bytes, without a copy, as ioredis takes them. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

type NodesReply = [
  now: number,
  version: string,
  seen: string[],
  infos: string[],
  counts: string[],
  gone: string[],
  /** The nodes that the reply is about, if it tells only what has changed since the known list. */
  changed?: string[],
]

export function readNodeList(reply: unknown, before?: NodeList): { now: number; list: NodeList } {
  const [now, version, seen, infos, counts, gone, changed] = reply as NodesReply
  const countOf = new Map(pairs(counts))
  const infoOf = new Map(pairs(infos))
  const live = pairs(seen).map(([node, value]) => liveNode(node as NodeId, value, infoOf.get(node), countOf.get(node)))
  const known = pairs(gone).flatMap(([node, value]) => goneNode(node as NodeId, value, now) ?? [])
  const list = { version: Number(version), live, gone: known }
  return { now, list: before === undefined || changed === undefined ? list : merge(before, list, new Set(changed)) }
}

function merge(before: NodeList, changes: NodeList, changed: ReadonlySet<string>): NodeList {
  const isSame = ({ node }: { readonly node: NodeId }): boolean => !changed.has(node)
  return {
    version: changes.version,
    live: [...before.live.filter(isSame), ...changes.live],
    gone: [...before.gone.filter(isSame), ...changes.gone],
  }
}

/** @param seen "lastSeen gaps" */
function liveNode(node: NodeId, seen: string, json: string | undefined, count: string | undefined): LiveNode {
  const { name, url, startedAt, deadAfter } = (parse(json) ?? {}) as Readonly<Record<string, unknown>>
  return {
    node,
    name: typeof name === 'string' ? name : node,
    url: typeof url === 'string' ? url : undefined,
    startedAt: numberOf(startedAt),
    lastSeen: numberOf(Number.parseInt(seen, 10)),
    deadAfter: numberOf(deadAfter),
    connectionCount: numberOf(Number(count)),
  }
}

/** "reason at cleaned". A node that was cleaned up long ago is only still there because nothing was forgotten since. */
function goneNode(node: NodeId, value: string, now: number): GoneNode | undefined {
  const [reason, at, cleaned] = value.split(' ')
  if (cleaned === '1' && now - Number(at) > KEEP_GONE) return undefined
  return { node, reason: isReason(reason) ? reason : 'dead', cleaned: cleaned === '1' }
}

function isReason(word: string | undefined): word is ShutdownReason {
  return word === 'closed' || word === 'dead' || word === 'evicted'
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!])
}

function parse(json: string | null | undefined): unknown {
  try {
    return json === null || json === undefined ? undefined : JSON.parse(json)
  } catch {
    return undefined
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function areMeta(since: unknown, path: unknown, ip: unknown): boolean {
  return typeof since === 'number' && typeof path === 'string' && typeof ip === 'string'
}

/** Whether a batch can carry this stamp. */
export function isStamp(stamp: number): boolean {
  return Number.isSafeInteger(stamp) && stamp >= 0
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
