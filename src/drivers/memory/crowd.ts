import type { ConnectionId, NodeId, Uid } from '../../envelope/ids.ts'
import type { ConnectionRecord } from '../routes.ts'

export interface Member {
  record: ConnectionRecord
  node: NodeId
  /** Where the member stands in the group: a page goes on after it. */
  readonly order: number
  isGone: boolean
}

/** `#places` keeps this many members who have left, and a quarter of those who are there, before it is compacted. */
const KEEP_GONE = 16

/** The members of one group, in the order in which they came. */
export class Crowd {
  readonly #byConnection = new Map<ConnectionId, Member>()
  readonly #countByNode = new Map<NodeId, number>()
  #places: Member[] = []

  get nodes(): Iterable<NodeId> {
    return this.#countByNode.keys()
  }

  get size(): number {
    return this.#byConnection.size
  }

  sizeOn(node: NodeId): number {
    return this.#countByNode.get(node) ?? 0
  }

  /** A member that is written again keeps its place, so that no page shows it twice. */
  add(node: NodeId, record: ConnectionRecord, order: number): void {
    const known = this.#byConnection.get(record.connection)
    this.#count(node, 1)
    if (known !== undefined) {
      this.#count(known.node, -1)
      Object.assign(known, { record, node })
      return
    }
    const member = { record, node, order, isGone: false }
    this.#byConnection.set(record.connection, member)
    this.#places.push(member)
  }

  /** Meanwhile the connection may be a member through the next incarnation of its node. Then it stays. */
  remove(node: NodeId, connection: ConnectionId): void {
    const member = this.#byConnection.get(connection)
    if (member?.node !== node) return
    member.isGone = true
    this.#byConnection.delete(connection)
    this.#count(node, -1)
    const goneCount = this.#places.length - this.size
    if (goneCount > KEEP_GONE + this.size / 4) this.#places = this.#places.filter(({ isGone }) => !isGone)
  }

  removeAll(node: NodeId): void {
    if (this.sizeOn(node) === 0) return
    for (const member of this.#byConnection.values()) {
      if (member.node === node) this.remove(node, member.record.connection)
    }
  }

  uidsOn(node: NodeId): Uid[] {
    if (this.sizeOn(node) === 0) return []
    const here = [...this.#byConnection.values()].filter((member) => member.node === node)
    return [...new Set(here.flatMap(({ record }) => record.uid ?? []))]
  }

  /** The members after a place, in order, for as long as the caller takes them. */
  *after(order: number): Generator<Member> {
    for (let index = this.#firstAfter(order); index < this.#places.length; index++) {
      if (!this.#places[index]!.isGone) yield this.#places[index]!
    }
  }

  #firstAfter(order: number): number {
    let [low, high] = [0, this.#places.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#places[middle]!.order > order) high = middle
      else low = middle + 1
    }
    return low
  }

  #count(node: NodeId, difference: number): void {
    const count = this.sizeOn(node) + difference
    if (count === 0) this.#countByNode.delete(node)
    else this.#countByNode.set(node, count)
  }
}
