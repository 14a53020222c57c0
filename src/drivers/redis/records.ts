// How State's values are written into Redis, and read back. Private to this driver.
import type { ConnectionInfo, ShutdownReason } from '../../api.ts'
import type { NodeId, Uid } from '../../protocol/ids.ts'
import type { ConnectionRecord, GoneNode, LiveNode, NodeList, Route } from '../state.ts'
import { MARKER } from './keys.ts'

/** How long a gone node stays listed after it was cleaned up, in ms, so that every node hears of it. */
export const KEEP_GONE = 60_000

/** A user's connections on one node: `[[connection, since, path, ip], …]`; nothing for none. */
export function writeRecords(connections: readonly ConnectionRecord[]): string {
  if (connections.length === 0) return ''
  return JSON.stringify(connections.map(({ connection, since, path, ip }) => [connection, since, path, ip]))
}

export function readRecords(value: string | null, node: NodeId, uid: Uid): ConnectionInfo[] {
  if (value === null) return []
  const rows = JSON.parse(value) as [string, number, string, string][]
  return rows.map(([connection, since, path, ip]) => ({ connection, uid, node, since, path, ip }))
}

/** A member of a group: `[since, path, ip, uid?]`. */
export function writeMember({ since, path, ip, uid }: ConnectionRecord): string {
  return JSON.stringify(uid === undefined ? [since, path, ip] : [since, path, ip, uid])
}

export function readMember(connection: string, node: NodeId, value: string): ConnectionInfo {
  const [since, path, ip, uid] = JSON.parse(value) as [number, string, string, string?]
  return uid === undefined ? { connection, node, since, path, ip } : { connection, uid, node, since, path, ip }
}

/** "stamp nodeA nodeB" */
export function readRoute(value: string | null | undefined, settled: boolean): Route {
  if (value === null || value === undefined) return { nodes: [], stamp: 0, settled }
  const end = value.indexOf(' ')
  const nodes = value.slice(end + 1)
  // Most users are on one node.
  const isOne = !nodes.includes(' ')
  return { nodes: (isOne ? [nodes] : nodes.split(' ')) as NodeId[], stamp: Number(value.slice(0, end)), settled }
}

/** A hash of nodes, and the stamp at the field `#`. */
export function groupRouteOf(hash: Readonly<Record<string, string>>, settled: boolean): Route {
  const { [MARKER]: stamp, ...nodes } = hash
  return { nodes: Object.keys(nodes) as NodeId[], stamp: Number(stamp ?? 0), settled }
}

/** The same bytes, as ioredis takes them. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

type NodesReply = [now: number, version: number, leases: string[], infos: string[], counts: string[], gone: string[]]

export function readNodeList(reply: unknown): { now: number; list: NodeList } {
  const [now, version, leases, infos, counts, gone] = reply as NodesReply
  const countOf = new Map(pairs(counts))
  const infoOf = new Map(pairs(infos))
  const live = pairs(leases).map(([node, expiry]) =>
    liveNode(node as NodeId, Number(expiry), infoOf.get(node), countOf.get(node)),
  )
  const known = pairs(gone).flatMap(([node, value]) => goneNode(node as NodeId, value, now) ?? [])
  return { now, list: { version, live, gone: known } }
}

function liveNode(node: NodeId, expiry: number, json: string | undefined, count: string | undefined): LiveNode {
  const info = JSON.parse(json ?? '{}') as { name?: string; url?: string; startedAt?: number; deadAfter?: number }
  return {
    node,
    name: info.name ?? node,
    url: info.url,
    startedAt: info.startedAt ?? 0,
    lastSeen: expiry - (info.deadAfter ?? 0),
    connectionCount: Number(count ?? 0),
  }
}

/** "reason at cleaned"; what was cleaned long ago is only still there because nothing has been forgotten since. */
function goneNode(node: NodeId, value: string, now: number): GoneNode | undefined {
  const [reason, at, cleaned] = value.split(' ')
  if (cleaned === '1' && now - Number(at) > KEEP_GONE) return undefined
  return { node, reason: reason as ShutdownReason, cleaned: cleaned === '1' }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!])
}
