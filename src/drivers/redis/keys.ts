import slotOf from 'cluster-key-slot'
import {
  type Group,
  type NodeId,
  PARTITION_COUNT,
  partitionOf,
  type PushId,
  SEAT_COUNT,
  seatOf,
  type Uid,
} from '../../envelope/ids.ts'
import type { Channel } from '../log.ts'
import { ID_MINUTES } from './scripts/push-ids.ts'

const SLOT_COUNT = 16_384

/**
 * How many hashes there are for each minute and partition. Redis keeps a hash of at most 512 records in its compact
 * form, so this is enough for 8,700 ids a second.
 */
const ID_HASHES = 4

/**
 * One hash tag for each partition, chosen so that partition n lies in the nth part of Redis Cluster's slots. So each
 * master gets its fair share, whatever ranges of slots the masters have.
 */
const tags: readonly string[] = evenTags()

/** The slot of each partition, so that nobody has to hash keys. */
const slots: readonly number[] = tags.map((tag) => slotOf(tag))

function evenTags(): string[] {
  const found: string[] = []
  for (let candidate = 0, missing = PARTITION_COUNT; missing > 0; candidate++) {
    const tag = `p${candidate}`
    // Invariant K3: the nth partition lies in the nth part of the slots.
    const partition = Math.floor((slotOf(tag) * PARTITION_COUNT) / SLOT_COUNT)
    if (found[partition] !== undefined) continue
    found[partition] = tag
    missing--
  }
  return found
}

/**
 * The same tags for the seats of inboxes, in another order: the first few seats, and any run of seats, are spread over
 * all the slots.
 */
const seatTags: readonly string[] = Array.from({ length: SEAT_COUNT }, (_, seat) => tags[reversedBits(seat)]!)

/** Reverses the eight bits of a byte. */
function reversedBits(byte: number): number {
  let reversed = 0
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) reversed |= 128 >> bit
  return reversed
}

/** Where the log of a channel is, and what stands beside it in its slot. */
export interface LogKeys {
  /** The channel's partition; -1 for everyone. */
  readonly partition: number
  readonly epoch: string
  readonly route: string
  readonly list: string
  readonly meta: string
  /** For each key of a message, the number of the message that bears it. */
  readonly subjects: string
}

/** Every key that we write. The text in braces decides the slot, and all keys of a script share a slot. */
export class Keys {
  readonly #prefix: string
  readonly #isCluster: boolean

  /** @param isCluster if true, inboxes are spread over the masters; otherwise all their names begin with `inboxes` */
  constructor(prefix: string, { isCluster = false } = {}) {
    this.#prefix = prefix
    this.#isCluster = isCluster
  }

  // ---- membership
  readonly lease = (): string => `${this.#prefix}:{m}:lease`
  readonly nodes = (): string => `${this.#prefix}:{m}:nodes`
  readonly version = (): string => `${this.#prefix}:{m}:v`
  readonly changes = (): string => `${this.#prefix}:{m}:log`
  readonly clock = (): string => `${this.#prefix}:{m}:clock`
  readonly seen = (): string => `${this.#prefix}:{m}:seen`
  readonly counts = (): string => `${this.#prefix}:{m}:counts`
  readonly gone = (): string => `${this.#prefix}:{m}:gone`
  readonly claims = (): string => `${this.#prefix}:{m}:claims`
  readonly ingressLease = (): string => `${this.#prefix}:{m}:ingress`

  // ---- who is where, by partition
  readonly epoch = (partition: number): string => this.#in(partition, 'e')
  readonly route = (partition: number, uid: Uid): string => this.routes(partition) + uid
  /** The beginning of the key of a user's route. */
  readonly routes = (partition: number): string => this.#in(partition, 'r:')
  readonly slot = (partition: number): number => slots[partition]!
  readonly parked = (partition: number, uid: Uid): string => this.#in(partition, `park:${uid}`)
  readonly parkedMessage = (partition: number, id: PushId | string): string => this.#in(partition, `pm:${id}`)
  readonly holdings = (partition: number, node: NodeId): string => this.#in(partition, `c:${node}`)
  readonly groupRoute = (partition: number, group: Group): string => this.#in(partition, `gr:${group}`)
  readonly groupMembers = (partition: number, group: Group, node: NodeId): string =>
    this.#in(partition, `gm:${group}:${node}`)
  readonly groupsOf = (partition: number, node: NodeId): string => this.#in(partition, `gi:${node}`)

  // ---- logs
  readonly log = (channel: Channel): LogKeys => {
    switch (channel.type) {
      case 'user': {
        const partition = partitionOf(channel.uid)
        return this.#logIn(partition, `u:${channel.uid}`, this.route(partition, channel.uid))
      }
      case 'group': {
        const partition = partitionOf(channel.group)
        return this.#logIn(partition, `g:${channel.group}`, this.groupRoute(partition, channel.group))
      }
      case 'all': {
        const [list, meta, subjects] = ['l', 'lm', 'lk'].map((kind) => `${this.#prefix}:{all}:${kind}`)
        const [epoch, route] = [this.allMeta(), this.allCursors()]
        return { partition: -1, epoch, route, list: list!, meta: meta!, subjects: subjects! }
      }
      default:
        throw channel satisfies never
    }
  }

  // ---- inboxes
  readonly inboxes = (): string => `${this.#prefix}:{i}:i:`
  readonly lastDirect = (publisher: string): string => `${this.#prefix}:{i}:last:${publisher}`
  readonly inbox = (node: NodeId): string => this.#at(node, 'in')
  readonly sealed = (node: NodeId): string => this.#at(node, 'taken')
  readonly inboxMeta = (node: NodeId): string => this.#at(node, 'm')
  readonly poison = (node: NodeId): string => this.#at(node, 'bad')
  /** A key in the slot of a seat. Nothing is written there. */
  readonly seat = (seat: number): string => `${this.#prefix}:{${seatTags[seat]}}`

  // ---- broadcasts, ids, ingress
  readonly all = (): string => `${this.#prefix}:{all}:in`
  readonly allMeta = (): string => `${this.#prefix}:{all}:m`
  readonly allCursors = (): string => `${this.#prefix}:{all}:c`
  readonly allHeld = (): string => `${this.#prefix}:{all}:h`
  readonly allSeats = (): string => `${this.#prefix}:{all}:s`
  /**
   * The keys that may hold the record of an idempotency key: one of its own, and for each minute a hash that others
   * share.
   */
  readonly idRecord = (digest: Buffer): string[] => {
    const [partition, byte] = digest as unknown as [number, number]
    const minutes = this.#in(partition, `k:${byte % ID_HASHES}`)
    return [
      this.#in(partition, `id:${digest.toString('base64url')}`),
      ...Array.from({ length: ID_MINUTES }, (_, minute) => `${minutes}:${minute}`),
    ]
  }
  readonly ingress = (): string => `${this.#prefix}:ingress`
  readonly ingressPoison = (): string => `${this.#prefix}:ingress:bad`

  #logIn(partition: number, name: string, route: string): LogKeys {
    const [list, meta, subjects] = ['l', 'lm', 'lk'].map((kind) => this.#in(partition, `${kind}:${name}`))
    return { partition, epoch: this.epoch(partition), route, list: list!, meta: meta!, subjects: subjects! }
  }

  #at(node: NodeId, rest: string): string {
    if (!this.#isCluster) return `${this.inboxes()}${node}:${rest}`
    return `${this.#prefix}:{${seatTags[seatOf(node)]}}:i:${node}:${rest}`
  }

  #in(partition: number, rest: string): string {
    // Invariant K1: a script touches one slot, so all that it needs shares a tag.
    return `${this.#prefix}:{${tags[partition]}}:${rest}`
  }
}

/**
 * Fields of a node's holdings. The letter in front of a uid keeps a user called `#` from being taken for the marker.
 */
export const MARKER = '#'
export const userField = (uid: Uid): string => `u${uid}`
export const connectionField = (connection: string): string => `=${connection}`
export const uidOfField = (field: string): Uid | undefined =>
  field.startsWith('u') ? (field.slice(1) as Uid) : undefined
